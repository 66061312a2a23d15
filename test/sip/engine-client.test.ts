import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { SrsError } from '../../src/core/errors.js';
import { Scope } from '../../src/core/scope.js';
import { ClientTransaction } from '../../src/sip/client-transaction.js';
import { parseSipMessage, type SipRequest, type SipResponse } from '../../src/sip/message.js';
import { UdpTransport } from '../../src/sip/transport-udp.js';
import { eventually } from '../helpers/eventually.js';
import { newBranch, newCallId, QUICK, UdpPeer, write, writeResponse } from './engine-kit.js';

describe('a client transaction over UDP', () => {
  let scope: Scope;
  let transport: UdpTransport;
  let callee: UdpPeer;
  let current: ClientTransaction | undefined;
  let finals: SipResponse[];
  let failures: Error[];

  beforeEach(async () => {
    scope = new Scope('client');
    finals = [];
    failures = [];
    transport = new UdpTransport({
      host: '127.0.0.1',
      port: 0,
      onMessage: ({ bytes }) => {
        const message = parseSipMessage(bytes);
        if (message.kind === 'response') current?.receive(message);
      },
    });
    await transport.start();
    callee = await UdpPeer.open(transport.address.port);
  });
  afterEach(async () => {
    await scope.close();
    await transport.close();
    await callee.close();
  });

  function begin(method: string): SipRequest {
    const parsed = parseSipMessage(Buffer.from(write(callee, { method, branch: newBranch(), callId: newCallId() })));
    if (parsed.kind !== 'request') throw new Error('unreachable');
    current = new ClientTransaction({
      request: parsed,
      send: (bytes) => transport.send(bytes, { address: '127.0.0.1', port: callee.port }),
      reliable: false,
      timers: QUICK,
      scope,
      onFinal: (response) => finals.push(response),
      onFailure: (error) => failures.push(error),
    });
    current.start();
    return parsed;
  }

  it('repeats until it is answered and hears the answer once', async () => {
    begin('OPTIONS');
    const first = await callee.request('OPTIONS');
    expect(await callee.request('OPTIONS')).toEqual(first);
    callee.send(writeResponse(first, 200));
    callee.send(writeResponse(first, 200));
    await eventually('the transaction ends', () => finals.length > 0 && scope.size === 0);
    expect(finals.map(({ status }) => status)).toEqual([200]);
  });

  it('acknowledges a refusal of INVITE in its own branch, again for each copy', async () => {
    begin('INVITE');
    const invite = await callee.request('INVITE');
    callee.send(writeResponse(invite, 100));
    callee.send(writeResponse(invite, 486));
    const ack = await callee.request('ACK');
    expect(ack.headers.find(({ name }) => name === 'via')).toEqual(invite.headers.find(({ name }) => name === 'via'));
    callee.send(writeResponse(invite, 486));
    expect(await callee.request('ACK')).toEqual(ack);
    expect(finals.map(({ status }) => status)).toEqual([486]);
  });

  it('hears every copy of a 200 to INVITE', async () => {
    begin('INVITE');
    const invite = await callee.request('INVITE');
    callee.send(writeResponse(invite, 200));
    callee.send(writeResponse(invite, 200));
    await eventually('both arrive', () => finals.length === 2);
  });

  it('times out when nobody answers', async () => {
    begin('BYE');
    await eventually('it gives up', () => failures.length === 1);
    expect(failures[0]).toBeInstanceOf(SrsError);
    expect(failures[0]).toMatchObject({ code: 'SRS_SIP_TIMEOUT' });
    expect(scope.size).toBe(0);
  });
});
