/** An XML element by its local name: prefixes and namespaces differ from vendor to vendor and mean nothing here. */
export interface XmlElement {
  /** Local name in lower case. */
  readonly name: string;
  readonly prefix: string;
  /** What its own prefix is bound to on this element itself; only the root's is ever asked for. */
  namespace: string | undefined;
  /** By local name in lower case; the first of a repeated one wins. */
  readonly attributes: Map<string, string>;
  readonly children: XmlElement[];
  /** Text directly inside, all pieces joined. */
  text: string;
  /** Where it stands in the text that was read: characters `start` to before `end`. */
  readonly start: number;
  end: number;
}

/** Bounds of both readers, the strict one and the salvaging one. */
export const XML_LIMITS = { characters: 262_144, depth: 64, elements: 5000, attributes: 64, text: 16_384 } as const;

/** @param start offset of its `<`; without an end tag it has no more text than that */
export function xmlElement(qualifiedName: string, start = 0): XmlElement {
  const colon = qualifiedName.lastIndexOf(':');
  return {
    name: localName(qualifiedName),
    prefix: qualifiedName.slice(0, Math.max(colon, 0)),
    namespace: undefined,
    attributes: new Map(),
    children: [],
    text: '',
    start,
    end: start,
  };
}

export function localName(qualifiedName: string): string {
  return qualifiedName.slice(qualifiedName.lastIndexOf(':') + 1).toLowerCase();
}

export function addText(element: XmlElement, text: string): void {
  if (element.text.length < XML_LIMITS.text) element.text += text.slice(0, XML_LIMITS.text - element.text.length);
}

export function addAttribute(element: XmlElement, qualifiedName: string, value: string): void {
  // A namespace declaration is no attribute of the element: `xmlns:id` must never be read as an id.
  if (/^xmlns(?::|$)/i.test(qualifiedName)) {
    if (qualifiedName.slice(6) === element.prefix) element.namespace ??= value.trim().slice(0, 256);
    return;
  }
  if (element.attributes.size >= XML_LIMITS.attributes) return;
  const name = localName(qualifiedName);
  if (!element.attributes.has(name)) element.attributes.set(name, value.slice(0, XML_LIMITS.text));
}
