/*
 * The baseline of bench:media: the least that receiving can cost. One socket per stream with the system's buffer, as the media plane has;
 * every TICK_MS those that have packets are emptied with recvmmsg, and what they hold is counted and forgotten.
 *
 *   rtp-drain TICK_MS FIRST_PORT STREAMS
 *
 * Binds every second port of 127.0.0.1, passing over those that somebody holds, and prints them as `ports P P P …`. Answers each line on
 * standard input with `PACKETS CPU_US`, its own processor time, and ends with standard input.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BATCH 16
#define PACKET_BYTES 2048
#define MAX_EVENTS 1024

static struct mmsghdr batch[BATCH];
static struct iovec parts[BATCH];
static struct sockaddr_in senders[BATCH];
static char packets[BATCH][PACKET_BYTES];

static void die(const char *what) {
  perror(what);
  exit(1);
}

static long cpu_us(void) {
  struct rusage used;
  getrusage(RUSAGE_SELF, &used);
  return (used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1000000L + used.ru_utime.tv_usec + used.ru_stime.tv_usec;
}

/* A socket on the next free port, which `port` then is. */
static int bind_next(int *port) {
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
  if (fd < 0) die("socket");
  for (; *port < 65536; *port += 2) {
    struct sockaddr_in own = {
        .sin_family = AF_INET, .sin_port = htons(*port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (bind(fd, (struct sockaddr *)&own, sizeof own) == 0) return fd;
    if (errno != EADDRINUSE) die("bind");
  }
  die("no port is free");
  return -1;
}

static long empty(int fd) {
  long received = 0;
  for (;;) {
    /* The kernel writes the length of each sender's address over the room that it was given. */
    for (int i = 0; i < BATCH; i++) batch[i].msg_hdr.msg_namelen = sizeof senders[i];
    int got = recvmmsg(fd, batch, BATCH, MSG_DONTWAIT, NULL);
    if (got > 0) received += got;
    if (got < BATCH) return received;
  }
}

int main(int argc, char **argv) {
  if (argc < 4) return 2;
  long tick_ns = atol(argv[1]) * 1000000L;
  int port = atoi(argv[2]), streams = atoi(argv[3]);
  int poll = epoll_create1(0);
  if (poll < 0) die("epoll_create1");
  printf("ports");
  for (int i = 0; i < streams; i++, port += 2) {
    int fd = bind_next(&port);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    if (epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event) < 0) die("epoll_ctl");
    printf(" %d", port);
  }
  printf("\n");
  fflush(stdout);
  for (int i = 0; i < BATCH; i++) {
    parts[i] = (struct iovec){.iov_base = packets[i], .iov_len = PACKET_BYTES};
    batch[i].msg_hdr = (struct msghdr){.msg_name = &senders[i], .msg_iov = &parts[i], .msg_iovlen = 1};
  }
  fcntl(STDIN_FILENO, F_SETFL, O_NONBLOCK);

  static struct epoll_event events[MAX_EVENTS];
  long received = 0;
  struct timespec next;
  clock_gettime(CLOCK_MONOTONIC, &next);
  for (;;) {
    next.tv_nsec += tick_ns;
    next.tv_sec += next.tv_nsec / 1000000000L;
    next.tv_nsec %= 1000000000L;
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL) == EINTR) {
    }
    int ready;
    do {
      ready = epoll_wait(poll, events, MAX_EVENTS, 0);
      for (int i = 0; i < ready; i++) received += empty(events[i].data.fd);
    } while (ready == MAX_EVENTS);
    char line[64];
    ssize_t asked = read(STDIN_FILENO, line, sizeof line);
    if (asked == 0) return 0;
    if (asked > 0) {
      printf("%ld %ld\n", received, cpu_us());
      fflush(stdout);
    }
  }
}
