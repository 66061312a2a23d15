import type { MetadataExtension } from '../core/model.js';
import { attribute } from './metadata-fields.js';
import { ownedText } from './owned-text.js';
import type { XmlElement } from './xml-element.js';

/** Of one document. Oracle's largest known extension has 2 KB. */
const MAX_EXTENSIONS = 64;
const MAX_XML = 4096;
const MAX_XML_TOGETHER = 32_768;

/** The elements that RFC 7865 and its drafts have; whatever else hangs on one of the six kinds of element is a vendor's. */
const OWN = new Set(
  (
    'recording recording_metadata datamode mode group group-ref session session-ref participant nameid name aor stream label ' +
    'content-type sessionrecordingassoc participantsessionassoc participantstreamassoc send recv associate-time ' +
    'disassociate-time start-time stop-time reason sipsessionid param id role'
  ).split(' '),
);

const OWNERS: Readonly<Record<string, MetadataExtension['of']>> = {
  recording: 'recording',
  recording_metadata: 'recording',
  group: 'group',
  session: 'session',
  participant: 'participant',
  stream: 'stream',
  sessionrecordingassoc: 'association',
  participantsessionassoc: 'association',
  participantstreamassoc: 'association',
};

/** An element inside one of these that happens to be called `stream` is the vendor's own (RFC 7865 §9). */
export function isOpaque(element: XmlElement): boolean {
  return element.name.includes('extension') || element.name === 'broadworksrecordingmetadata';
}

/** A wrapper that RFC 7865 does not have, with its elements inside, is read through: it is no extension. */
function isExtension(element: XmlElement): boolean {
  return isOpaque(element) || (!OWN.has(element.name) && !holdsOwners(element));
}

function holdsOwners(element: XmlElement): boolean {
  return element.children.some((child) => OWNERS[child.name] !== undefined || holdsOwners(child));
}

/** All extensions of a document as they were written, outermost element only. Bounded; `raw` is what the tree was read from. */
export function readExtensions(root: XmlElement, raw: string): MetadataExtension[] {
  const found: MetadataExtension[] = [];
  let room = MAX_XML_TOGETHER;
  const visit = (element: XmlElement): void => {
    const of = OWNERS[element.name];
    for (const child of element.children) {
      if (of === undefined || !isExtension(child)) {
        visit(child);
        continue;
      }
      if (found.length >= MAX_EXTENSIONS || room <= 0) return;
      const whole = raw.slice(child.start, child.end);
      const xml = ownedText(whole.slice(0, Math.min(MAX_XML, room)));
      room -= xml.length;
      const id = attribute(element, `${element.name}_id`, 'id', 'participant_id', 'session_id');
      found.push({
        of,
        ...(id === undefined || id === '' ? {} : { id }),
        name: ownedText(child.name.slice(0, 128)),
        xml,
        ...(xml.length < whole.length ? { cut: true } : {}),
      });
    }
  };
  visit(root);
  return found;
}
