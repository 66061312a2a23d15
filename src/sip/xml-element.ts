/** An XML element by its local name: prefixes and namespaces differ from vendor to vendor and mean nothing here. */
export interface XmlElement {
  /** Local name in lower case. */
  readonly name: string;
  /** By local name in lower case; the first of a repeated one wins. */
  readonly attributes: Map<string, string>;
  readonly children: XmlElement[];
  /** Text directly inside, all pieces joined. */
  text: string;
}

/** Bounds of both readers, the strict one and the salvaging one. */
export const XML_LIMITS = { characters: 262_144, depth: 64, elements: 5000, attributes: 64, text: 16_384 } as const;

export function xmlElement(qualifiedName: string): XmlElement {
  return { name: localName(qualifiedName), attributes: new Map(), children: [], text: '' };
}

export function localName(qualifiedName: string): string {
  return qualifiedName.slice(qualifiedName.lastIndexOf(':') + 1).toLowerCase();
}

export function addText(element: XmlElement, text: string): void {
  if (element.text.length < XML_LIMITS.text) element.text += text.slice(0, XML_LIMITS.text - element.text.length);
}

export function addAttribute(element: XmlElement, qualifiedName: string, value: string): void {
  // A namespace declaration is no attribute of the element: `xmlns:id` must never be read as an id.
  if (/^xmlns(?::|$)/i.test(qualifiedName) || element.attributes.size >= XML_LIMITS.attributes) return;
  const name = localName(qualifiedName);
  if (!element.attributes.has(name)) element.attributes.set(name, value.slice(0, XML_LIMITS.text));
}
