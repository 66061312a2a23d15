import type { ToldSpan } from '../core/model.js';
import { isToldTime } from '../core/told-time.js';
import { readMetadataTime } from './metadata-time.js';
import { ownedText } from './owned-text.js';
import type { XmlElement } from './xml-element.js';

const MAX_FIELD = 1024;

/** The value of the first attribute that the element has of these. */
export function attribute(element: XmlElement, ...names: string[]): string | undefined {
  for (const name of names) {
    const value = element.attributes.get(name);
    if (value !== undefined) return tidy(value);
  }
  return undefined;
}

export function children(element: XmlElement, ...names: string[]): XmlElement[] {
  return element.children.filter((child) => names.includes(child.name));
}

export function childText(element: XmlElement, name: string): string | undefined {
  const child = element.children.find((candidate) => candidate.name === name);
  return child && fieldOf(child);
}

/** The texts of all children of that name that have one. */
export function childTexts(element: XmlElement, name: string): string[] {
  return children(element, name)
    .map(fieldOf)
    .filter((value) => value !== '');
}

export function fieldOf(element: XmlElement): string {
  return tidy(element.text);
}

export function participantId(element: XmlElement): string {
  return attribute(element, 'participant_id', 'id', 'participant') ?? '';
}

/** `associate-time` and `disassociate-time` (RFC 7865 §6.9), from the first of these elements that has any. */
export function spanOf(...elements: readonly (XmlElement | undefined)[]): ToldSpan | undefined {
  for (const element of elements) {
    const fromText = element && childText(element, 'associate-time');
    const untilText = element && childText(element, 'disassociate-time');
    if (!fromText && !untilText) continue;
    const from = readMetadataTime(fromText);
    const until = readMetadataTime(untilText);
    // An object that begins with a spread gets a shape of its own in V8, and these live as long as the call.
    const span: { -readonly [K in keyof ToldSpan]: ToldSpan[K] } = {};
    if (fromText) span.fromText = fromText;
    if (from !== undefined) span.from = from;
    if (untilText) span.untilText = untilText;
    if (until !== undefined) span.until = until;
    return span;
  }
  return undefined;
}

/** An association that has a time of its end is over, whether the time can be read or not. */
export function hasEnded(element: XmlElement): boolean {
  return isToldTime(childText(element, 'disassociate-time'));
}

/** Values may be folded over lines (RFC 8068 folds sipSessionID); ids are opaque and only trimmed. */
function tidy(value: string): string {
  const tidied = value
    .slice(0, MAX_FIELD * 4)
    .replace(/\s+/g, ' ')
    .trim()
    .slice(0, MAX_FIELD);
  // What a call remembers of a document for hours must not hold the document.
  return ownedText(tidied);
}
