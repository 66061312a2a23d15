/** The SIPREC INVITE of the load: two m-lines and metadata as an SBC writes them, some 3 kB in all. */
const plainSdp = ['v=0', 'o=SBC 171 1 IN IP4 127.0.0.1', 's=-', 'c=IN IP4 127.0.0.1', 't=0 0']
  .concat(
    ['1', '2'].flatMap((label, i) => [
      `m=audio ${40_000 + 2 * i} RTP/AVP 0 8 101`,
      'a=rtpmap:0 PCMU/8000',
      'a=rtpmap:8 PCMA/8000',
      'a=rtpmap:101 telephone-event/8000',
      'a=fmtp:101 0-15',
      'a=ptime:20',
      'a=sendonly',
      `a=label:${label}`,
    ]),
  )
  .join('\r\n');

function metadata(id: string): string {
  const people = ['caller', 'agent'].map((name, i) => {
    const participant = `participant-${i + 1}-of-${id}`;
    const stream = `stream-${i + 1}-of-${id}`;
    return {
      described: `
  <participant participant_id="${participant}">
    <nameID aor="sip:${name}@example.com"><name xml:lang="en">${name}</name></nameID>
  </participant>
  <participantsessionassoc participant_id="${participant}" session_id="session-of-${id}">
    <associate-time>2026-01-01T12:00:00Z</associate-time>
  </participantsessionassoc>
  <stream stream_id="${stream}" session_id="session-of-${id}"><label>${i + 1}</label></stream>`,
      heard: `
  <participantstreamassoc participant_id="${participant}">
    <send>${stream}</send><recv>stream-${2 - i}-of-${id}</recv>
  </participantstreamassoc>`,
    };
  });
  return `<?xml version="1.0" encoding="UTF-8"?>
<recording xmlns="urn:ietf:params:xml:ns:recording:1">
  <datamode>complete</datamode>
  <group group_id="group-of-${id}"><associate-time>2026-01-01T12:00:00Z</associate-time></group>
  <session session_id="session-of-${id}">
    <sipSessionID>ab30317f1a784dc48ff824d0d3715d86;remote=47755a9de7794ba387653f2099600ef2</sipSessionID>
    <group-ref>group-of-${id}</group-ref>
    <start-time>2026-01-01T12:00:00Z</start-time>
  </session>${people.map((person) => person.described).join('')}
  <sessionrecordingassoc session_id="session-of-${id}"><associate-time>2026-01-01T12:00:00Z</associate-time></sessionrecordingassoc>${people
    .map((person) => person.heard)
    .join('')}
</recording>`;
}

export const INVITE_CONTENT_TYPE = 'multipart/mixed;boundary=unique-boundary-1';

/** The same with a key for every stream (RFC 4568). */
function protectedSdp(crypto: string): string {
  return plainSdp.replaceAll('RTP/AVP', 'RTP/SAVP').replaceAll('a=sendonly', `${crypto}\r\na=sendonly`);
}

/**
 * @param id makes the ids of the metadata those of one call
 * @param crypto the `a=crypto` line of its streams, when they are protected
 */
export function inviteBody(id: string, crypto?: string): string {
  return [
    '--unique-boundary-1',
    'Content-Type: application/sdp',
    '',
    crypto === undefined ? plainSdp : protectedSdp(crypto),
    '',
    '--unique-boundary-1',
    'Content-Type: application/rs-metadata+xml',
    'Content-Disposition: recording-session',
    '',
    metadata(id),
    '--unique-boundary-1--',
    '',
  ].join('\r\n');
}
