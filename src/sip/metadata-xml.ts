import { SaxesParser } from 'saxes';
import { SrsError } from '../core/errors.js';
import type { RecordingMetadata } from '../core/model.js';
import type { Warning } from '../core/warning.js';
import { decodeXml } from './metadata-encoding.js';
import { normaliseMetadata } from './metadata-normal-form.js';
import { salvageXml } from './metadata-salvage.js';
import { addAttribute, addText, XML_LIMITS, type XmlElement, xmlElement } from './xml-element.js';

export interface ReadMetadata {
  readonly metadata: RecordingMetadata;
  readonly warnings: readonly Warning[];
}

/**
 * Reads RFC 7865 metadata in any dialect. It never throws and never fails a call: what is not well-formed is salvaged by a
 * tolerant reader and reported as `metadata_malformed` (real Oracle metadata of 2023 and 2024 has raw `<sip:…>` in it).
 *
 * A salvaged document counts as `partial`: what it lacks may have been lost on the way, so nothing known is dropped for it.
 */
export function readMetadata(bytes: Uint8Array): ReadMetadata {
  const raw = decodeXml(bytes);
  try {
    return normaliseMetadata(parseXml(raw), raw);
  } catch (error) {
    const { metadata, warnings } = normaliseMetadata(salvageXml(raw), raw);
    const { rule } = SrsError.from(error).facts;
    return { metadata: { ...metadata, mode: 'partial', salvaged: true }, warnings: malformed(rule, warnings) };
  }
}

/** Whether the bytes look like recording metadata, for parts whose type is missing or garbled (BroadWorks `application/ +xml`). */
export function looksLikeMetadata(bytes: Uint8Array): boolean {
  const head = decodeXml(bytes.subarray(0, 4096));
  return /<(?:[\w.-]{1,64}:)?recording(?:_metadata)?[\s/>]/i.test(head);
}

/**
 * Strict XML to a tree: namespaces on, unbound prefixes taken (vendors forget to declare them), DOCTYPE refused and with it every
 * entity but the five of XML. Throws an SrsError whose `facts.rule` names what was broken.
 */
function parseXml(text: string): XmlElement {
  if (text.length >= XML_LIMITS.characters) throw broken('too large');
  const top = xmlElement('');
  const open = [top];
  let elements = 0;
  const parser = new SaxesParser({
    xmlns: true,
    position: false,
    resolvePrefix: (prefix: string) => `urn:unbound:${prefix}`,
  });
  parser.on('error', (error) => {
    throw broken('not well-formed', error);
  });
  parser.on('doctype', () => {
    throw broken('DOCTYPE');
  });
  let start = 0;
  parser.on('opentagstart', () => {
    start = text.lastIndexOf('<', parser.position - 1);
  });
  parser.on('opentag', (tag) => {
    elements += 1;
    if (elements > XML_LIMITS.elements) throw broken('too many elements');
    if (open.length > XML_LIMITS.depth) throw broken('too deep');
    const element = xmlElement(tag.name, start);
    for (const attribute of Object.values(tag.attributes)) addAttribute(element, attribute.name, attribute.value);
    open.at(-1)?.children.push(element);
    open.push(element);
  });
  parser.on('closetag', () => {
    const element = open.pop();
    if (element) element.end = parser.position;
  });
  const onText = (piece: string): void => {
    const element = open.at(-1);
    if (element) addText(element, piece);
  };
  parser.on('text', onText);
  parser.on('cdata', onText);
  parser.write(text).close();
  return top;
}

/** A document is malformed once, in as many ways as it is. */
function malformed(rule: unknown, warnings: readonly Warning[]): Warning[] {
  const inOtherWays = warnings.filter(({ code }) => code === 'metadata_malformed').map(({ detail }) => detail);
  const details = [rule, ...inOtherWays].filter((detail) => typeof detail === 'string');
  return [
    { code: 'metadata_malformed', ...(details.length === 0 ? {} : { detail: details.join(', ') }) },
    ...warnings.filter(({ code }) => code !== 'metadata_malformed'),
  ];
}

function broken(rule: string, cause?: unknown): SrsError {
  return new SrsError('SRS_SIP_MALFORMED', `metadata XML: ${rule}`, { cause, facts: { rule } });
}
