import { createSocket } from 'node:dgram';

/**
 * The floor under a SIP server: a socket that answers every request with a canned 200 made of the request's own headers. No parser, no
 * transactions, no sessions. Run as a process of its own; prints its port.
 */
const COPIED = /^(?:Via|From|Call-ID|CSeq):.*\r\n/gim;
const socket = createSocket('udp4');
socket.on('message', (bytes, peer) => {
  const text = bytes.toString('latin1', 0, 600);
  if (text.startsWith('ACK')) return;
  const to = /^To:.*(?=\r\n)/im.exec(text)?.[0] ?? 'To: <sip:srs@127.0.0.1>';
  const tagged = to.includes(';tag=') ? to : `${to};tag=bare`;
  const copied = (text.match(COPIED) ?? []).join('');
  socket.send(`SIP/2.0 200 OK\r\n${copied}${tagged}\r\nContent-Length: 0\r\n\r\n`, peer.port, peer.address);
});
socket.bind(0, '127.0.0.1', () => console.log(socket.address().port));
