import { describe, expect, it } from 'vitest';
import { GapBook } from '../../src/rtp/gap-book.js';

const ms = (milliseconds: number): number => milliseconds * 8;

/** Packets of 20 ms, told to the book by their number; the first lies at the origin. */
function packets(book: GapBook, from: number, to: number, missing = 0): void {
  for (let i = from; i < to; i++) book.filled(ms(i * 20), ms(i * 20 + 20), i === from ? missing : 0);
}

describe('the book of gaps', () => {
  it('has none for packets in order, and one for what comes before and after them', () => {
    const book = new GapBook(8000, 0);
    packets(book, 10, 60);
    expect(book.report(ms(1500))).toEqual({
      gaps: [
        { startMs: 0, endMs: 200, cause: 'no_rtp' },
        { startMs: 1200, endMs: 1500, cause: 'no_rtp' },
      ],
      gapsOmitted: 0,
      gapMs: { no_rtp: 500 },
    });
    expect(book.report(ms(1500))).toEqual(book.report(ms(1500)));
  });

  it('has none for as much as a packet before the first and after the last: legs that begin and end together may lie one apart', () => {
    const book = new GapBook(8000, 0);
    for (let at = 20; at < 1000; at += 20) book.filled(ms(at), ms(at + 20), 0);
    expect(book.report(ms(1020))).toEqual({ gaps: [], gapsOmitted: 0, gapMs: {} });
    expect(book.report(ms(1020.125)).gaps).toEqual([{ startMs: 1000, endMs: 1020.125, cause: 'no_rtp' }]);
    const late = new GapBook(8000, 0);
    late.filled(ms(20.125), ms(40.125), 0);
    expect(late.report(ms(40.125)).gaps).toEqual([{ startMs: 0, endMs: 20.125, cause: 'no_rtp' }]);
    const joined = new GapBook(8000, ms(500));
    joined.filled(ms(507), ms(527), 0);
    expect(joined.report(ms(530)).gaps).toEqual([{ startMs: 0, endMs: 507, cause: 'absent' }]);
  });

  it('keeps what it knows in time when the leg gets another rate', () => {
    const book = new GapBook(8000, 0);
    packets(book, 0, 10);
    book.rerate(16_000);
    book.filled(16 * 500, 16 * 520, 2);
    expect(book.report(16 * 520).gaps).toEqual([
      { startMs: 200, endMs: 240, cause: 'loss' },
      { startMs: 240, endMs: 500, cause: 'silence_suppressed' },
    ]);
  });

  it('tells loss from suppressed silence by the sequence numbers', () => {
    const book = new GapBook(8000, 0);
    packets(book, 0, 10);
    packets(book, 12, 20, 2);
    packets(book, 40, 50);
    packets(book, 150, 160, 1);
    packets(book, 5000, 5001, -1);
    expect(book.report(ms(100_020)).gaps).toEqual([
      { startMs: 200, endMs: 240, cause: 'loss' },
      { startMs: 400, endMs: 800, cause: 'silence_suppressed' },
      { startMs: 1000, endMs: 1020, cause: 'loss' },
      { startMs: 1020, endMs: 3000, cause: 'silence_suppressed' },
      { startMs: 3200, endMs: 100_000, cause: 'no_rtp' },
    ]);
  });

  it('shrinks a gap from either end, from its middle, and to nothing, when packets come late', () => {
    const book = new GapBook(8000, 0);
    packets(book, 0, 1);
    packets(book, 11, 20, 10);
    for (const late of [1, 10, 5]) book.filled(ms(late * 20), ms(late * 20 + 20), 0);
    expect(book.report(ms(400)).gaps).toEqual([
      { startMs: 40, endMs: 100, cause: 'loss' },
      { startMs: 120, endMs: 200, cause: 'loss' },
    ]);
    for (const late of [2, 3, 4, 6, 7, 8, 9]) book.filled(ms(late * 20), ms(late * 20 + 20), 0);
    expect(book.report(ms(400))).toEqual({ gaps: [], gapsOmitted: 0, gapMs: {} });
  });

  it('gives the time of a pause to the pause, with the crumbs beside it, and the rest of the hole to its own cause', () => {
    const book = new GapBook(8000, 0);
    packets(book, 0, 10);
    book.enter('hold', ms(260));
    book.enter('pause', ms(1000));
    book.leave('pause', ms(2000));
    book.leave('hold', ms(3000));
    book.because('source_change');
    packets(book, 200, 201);
    expect(book.report(ms(4020)).gaps).toEqual([
      { startMs: 200, endMs: 1000, cause: 'hold' },
      { startMs: 1000, endMs: 2000, cause: 'pause' },
      { startMs: 2000, endMs: 3000, cause: 'hold' },
      { startMs: 3000, endMs: 4000, cause: 'source_change' },
    ]);
  });

  it('says that a leg was not there before its stream was offered and after it was taken away', () => {
    const book = new GapBook(16_000, 16_000);
    book.filled(16_000, 32_000, 0);
    book.enter('absent', 32_000);
    expect(book.report(64_000)).toEqual({
      gaps: [
        { startMs: 0, endMs: 1000, cause: 'absent' },
        { startMs: 2000, endMs: 4000, cause: 'absent' },
      ],
      gapsOmitted: 0,
      gapMs: { absent: 3000 },
    });
  });

  it('takes what we lost ourselves out of what came and out of other gaps', () => {
    const book = new GapBook(8000, 0);
    packets(book, 0, 10);
    packets(book, 20, 100, 10);
    book.note(ms(300), ms(600), 'write_failed');
    book.note(ms(600), ms(800), 'write_failed');
    book.note(ms(1900), ms(9000), 'media_lost');
    expect(book.report(ms(2000))).toEqual({
      gaps: [
        { startMs: 200, endMs: 300, cause: 'loss' },
        { startMs: 300, endMs: 800, cause: 'write_failed' },
        { startMs: 1900, endMs: 2000, cause: 'media_lost' },
      ],
      gapsOmitted: 0,
      gapMs: { loss: 100, write_failed: 500, media_lost: 100 },
    });
  });

  it('knows that comfort noise announces silence, although packets of it may be lost', () => {
    const book = new GapBook(8000, 0);
    packets(book, 0, 10);
    book.enter('silence_suppressed', ms(200));
    packets(book, 15, 20, 1);
    packets(book, 22, 23, 2);
    expect(book.report(ms(460)).gaps).toEqual([
      { startMs: 200, endMs: 300, cause: 'silence_suppressed' },
      { startMs: 400, endMs: 440, cause: 'loss' },
    ]);
  });

  it('lists a thousand and adds up all of them', () => {
    const book = new GapBook(8000, 0);
    for (let i = 0; i < 3000; i++) packets(book, i * 3, i * 3 + 2, i === 0 ? 0 : 1);
    const report = book.report(ms(3000 * 60 - 20));
    expect([report.gaps.length, report.gapsOmitted, report.gapMs]).toEqual([1000, 1999, { loss: 2999 * 20 }]);
    expect(report.gaps[999]).toEqual({ startMs: 59_980, endMs: 60_000, cause: 'loss' });
  });
});
