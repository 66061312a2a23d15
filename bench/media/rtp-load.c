/*
 * The load of bench:media: sends RTP streams at an even pace, 50 packets a second each.
 *
 *   rtp-load FILE PACKET_BYTES TRACKS ROUNDS MARK... < ports
 *
 * FILE holds packets of one length, ready to send, round after round: one for each track, 20 ms after the last. Standard input names a port
 * of 127.0.0.1 per stream; stream n plays track n mod TRACKS, so that a file of any codec, encrypted or not, serves any number of streams.
 * Streams are spread over the 20 ms. At each round that is a MARK, and at the end, a line is printed: `mark ROUND SENT` and
 * `end SENT LATE`, LATE being the most that the load was behind its own pace, in ms.
 *
 * In C, because it shares the machine with what it measures: one system call sends a hundred packets.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define ROUND_NS 20000000L
/* 1 ms: streams that are sent together. */
#define SLICES 20
#define MAX_STREAMS 20000
#define MAX_BATCH 1024

static struct sockaddr_in peers[MAX_STREAMS];

static void die(const char *what) {
  perror(what);
  exit(1);
}

static long now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000000L + t.tv_nsec;
}

static void sleep_until(long ns) {
  struct timespec t = {.tv_sec = ns / 1000000000L, .tv_nsec = ns % 1000000000L};
  while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR) {
  }
}

static int read_ports(void) {
  int streams = 0, port;
  while (streams < MAX_STREAMS && scanf("%d", &port) == 1) {
    peers[streams].sin_family = AF_INET;
    peers[streams].sin_port = htons(port);
    peers[streams].sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    streams++;
  }
  return streams;
}

/* Sends a whole batch, or ends the process: a load that sends less than it says measures nothing. */
static void send_all(int socket, struct mmsghdr *batch, int count) {
  for (int done = 0; done < count;) {
    int sent = sendmmsg(socket, batch + done, count - done, 0);
    if (sent < 0 && errno != EINTR) die("sendmmsg");
    if (sent > 0) done += sent;
  }
}

int main(int argc, char **argv) {
  if (argc < 5) return 2;
  int packet_bytes = atoi(argv[2]), tracks = atoi(argv[3]);
  int file = open(argv[1], O_RDONLY);
  struct stat size;
  if (file < 0 || fstat(file, &size) < 0) die(argv[1]);
  char *packets = mmap(NULL, size.st_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, file, 0);
  if (packets == MAP_FAILED) die("mmap");
  long rounds = atol(argv[4]);
  if (rounds * packet_bytes * tracks > size.st_size) return 2;
  int streams = read_ports();

  int sockets[SLICES];
  for (int i = 0; i < SLICES; i++) {
    sockets[i] = socket(AF_INET, SOCK_DGRAM, 0);
    if (sockets[i] < 0) die("socket");
  }

  static struct mmsghdr batch[MAX_BATCH];
  static struct iovec parts[MAX_BATCH];
  long sent = 0, late = 0, start = now_ns();
  int mark = 5;
  for (long round = 0; round < rounds; round++) {
    if (mark < argc && round == atol(argv[mark])) {
      printf("mark %ld %ld\n", round, sent);
      fflush(stdout);
      mark++;
    }
    for (int slice = 0; slice < SLICES; slice++) {
      long due = start + round * ROUND_NS + slice * (ROUND_NS / SLICES);
      long behind = now_ns() - due;
      if (behind < 0) sleep_until(due);
      else if (behind > late) late = behind;
      int count = 0;
      for (int stream = slice; stream < streams; stream += SLICES) {
        parts[count].iov_base = packets + (round * tracks + stream % tracks) * (long)packet_bytes;
        parts[count].iov_len = packet_bytes;
        batch[count].msg_hdr = (struct msghdr){.msg_name = &peers[stream],
                                               .msg_namelen = sizeof peers[stream],
                                               .msg_iov = &parts[count],
                                               .msg_iovlen = 1};
        if (++count == MAX_BATCH) {
          send_all(sockets[slice], batch, count);
          count = 0;
        }
        sent++;
      }
      send_all(sockets[slice], batch, count);
    }
  }
  sleep_until(start + rounds * ROUND_NS);
  printf("end %ld %.1f\n", sent, late / 1e6);
  return 0;
}
