import type { CallEvent } from '../../src/core/call-event.js';
import { silentLogger } from '../../src/core/logger.js';
import type { Participant, RsOffer, Speaker } from '../../src/core/model.js';
import type { WarningCode } from '../../src/core/warning.js';
import { WARNING_CODES } from '../../src/core/warning.js';
import { readOffer } from '../../src/sip/sdp.js';
import { createSiprecDoor } from '../../src/sip/siprec-door.js';
import { eventually } from '../helpers/eventually.js';
import type { RunningFront, SipFront } from '../helpers/sip-fronts.js';
import { fixtureMessage, fixtureMessages } from '../helpers/siprec-fixture.js';
import { type Studio, studio } from '../session/session-fixture.js';
import { type FinalResponse, ScriptedSrc } from './scripted-src.js';

/** What came of one message. Members of an expectation that are not written are not compared. */
export interface StepOutcome {
  readonly status: number;
  /** `audio recvonly 0,101 label 1` or `video refused`, one per m-line. */
  readonly answer?: readonly string[];
  /** `<label> <speaker>`, `?` before an inferred one, `-` for nobody, in the order in which legs came. */
  readonly legs?: readonly string[];
  readonly state?: string;
}

export interface CallOutcome {
  /** Empty for plain RFC 7866. */
  readonly dialect: string;
  readonly steps: readonly StepOutcome[];
  /** Everybody who took part: `Ana <sip:ana@example.com>`. */
  readonly participants: readonly string[];
  readonly attributes: Readonly<Record<string, readonly string[]>>;
  /** What `siprec_peer_quirks_total` counted. Silence is no quirk here: no fixture sends RTP. */
  readonly quirks: readonly string[];
}

/** The real door, session code and media on one front, and a SRC that plays written calls to it. */
export class DialectStudio {
  readonly front: RunningFront;
  readonly studio: Studio;
  readonly src: ScriptedSrc;
  readonly offers: RsOffer[] = [];

  private constructor(front: RunningFront, rooms: Studio, src: ScriptedSrc) {
    this.front = front;
    this.studio = rooms;
    this.src = src;
  }

  static async open(front: SipFront): Promise<DialectStudio> {
    const rooms = await studio({ maxSessions: 20 });
    const handlers = createSiprecDoor({
      recorder: rooms.recorder,
      metrics: rooms.metrics,
      logger: silentLogger,
      keepInvite: true,
    });
    const running = await front.start(handlers);
    return new DialectStudio(running, rooms, await ScriptedSrc.open(running.udp));
  }

  async close(): Promise<void> {
    this.src.close();
    await this.front.stop();
    await this.studio.stop();
  }

  async quirks(): Promise<ReadonlyMap<WarningCode, number>> {
    const text = await this.studio.metrics.render();
    return new Map(
      WARNING_CODES.map((code) => [
        code,
        Number(new RegExp(`^siprec_peer_quirks_total\\{quirk="${code}"\\} (\\d+)`, 'm').exec(text)?.[1] ?? 0),
      ]),
    );
  }

  /** Plays a written call from its first message to its end. */
  async play(name: string): Promise<CallOutcome> {
    const before = await this.quirks();
    const call = this.src.call();
    const messages = fixtureMessages(name);
    const steps: StepOutcome[] = [];
    let over = false;
    for (const [i, message] of messages.entries()) {
      if (message.endsWith('-ack')) continue;
      const next = messages[i + 1];
      const ack = next?.endsWith('-ack') ? fixtureMessage(name, next) : undefined;
      const final = await call.send(fixtureMessage(name, message), ack);
      over = message.endsWith('-bye') || (i === 0 && final.status >= 300);
      steps.push(over ? { status: final.status } : { ...this.#outcome(call.callId, final) });
      // A call that was refused has no dialog to send the rest in.
      if (over) break;
    }
    if (!over) await call.bye();
    const opened = steps[0]?.status === 200;
    const events = (): CallEvent[] => this.studio.events.filter((event) => event.callId === call.callId);
    const ended = opened
      ? await eventually('the end of the call', () => events().find((event) => event.type === 'call.ended'))
      : undefined;
    const after = await this.quirks();
    return {
      dialect: ended?.type === 'call.ended' ? (ended.dialect ?? '') : '',
      steps,
      participants: ended?.type === 'call.ended' ? (ended.participants ?? []).map(person) : [],
      attributes: ended?.type === 'call.ended' ? (ended.attributes ?? {}) : {},
      quirks: WARNING_CODES.filter((code) => code !== 'no_rtp' && (after.get(code) ?? 0) > (before.get(code) ?? 0)),
    };
  }

  #outcome(callId: string, final: FinalResponse): StepOutcome {
    const live = this.studio.recorder.list().find((one) => one.callId === callId);
    return {
      status: final.status,
      ...(final.body.startsWith('v=0') ? { answer: answerLines(final.body) } : {}),
      ...(live ? { legs: live.legs.map(({ label, speaker }) => `${label} ${voice(speaker)}`), state: live.state } : {}),
    };
  }
}

export function answerLines(sdp: string): string[] {
  return readOffer(Buffer.from(sdp)).media.streams.map(({ media, port, direction, rawFormats, label }) =>
    port === 0
      ? `${media} refused`
      : `${media} ${direction} ${rawFormats.join(',')}${label === undefined ? '' : ` label ${label}`}`,
  );
}

function voice(speaker: Speaker): string {
  return `${speaker.inferred ? '?' : ''}${speaker.name ?? speaker.aor ?? '-'}`;
}

function person({ name, aor }: Participant): string {
  return `${name ?? ''} <${aor ?? ''}>`.trim();
}
