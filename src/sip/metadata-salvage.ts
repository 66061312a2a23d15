import { addAttribute, addText, localName, XML_LIMITS, type XmlElement, xmlElement } from './xml-element.js';

/** Elements that never hold one of their own kind: opening one closes an earlier one whose end tag got lost. */
const NEVER_NESTED = new Set([
  'participant',
  'stream',
  'session',
  'group',
  'sessionrecordingassoc',
  'participantsessionassoc',
  'participantstreamassoc',
]);

const NAME = /[A-Za-z_][\w.-]*(?::[A-Za-z_][\w.-]*)?/y;
const ATTRIBUTE =
  /[\s]*([^\s=<>/"']{1,128})\s*=\s*(?:"([^"<]*)"|'([^'<]*)'|"([^"\n]{0,1024})"|'([^'\n]{0,1024})'|([^\s<>"']*))/y;

/** An attribute that somebody forgot to give a value. */
const LONE_NAME = /\s*[^\s=<>/"']{1,128}(?=[\s/>])/y;

/**
 * Reads what can be read of XML that is not well-formed: unescaped `<sip:…>`, attributes without quotes, lost end tags, a
 * document that stops in the middle. One pass, time in proportion to the length, no entity but the five of XML and numbers.
 * Never throws. The result hangs below a nameless root, like that of the strict reader.
 */
export function salvageXml(text: string): XmlElement {
  return new Salvage(text.slice(0, XML_LIMITS.characters)).run();
}

class Salvage {
  readonly #text: string;
  readonly #top = xmlElement('');
  readonly #open: XmlElement[] = [this.#top];
  #at = 0;
  #elements = 0;

  constructor(text: string) {
    this.#text = text;
  }

  run(): XmlElement {
    while (this.#at < this.#text.length && this.#elements < XML_LIMITS.elements) {
      const lower = this.#text.indexOf('<', this.#at);
      this.#addText(this.#text.slice(this.#at, lower === -1 ? undefined : lower));
      if (lower === -1) break;
      this.#at = lower;
      this.#markup();
    }
    this.#closeFrom(1, this.#at);
    return this.#top;
  }

  #markup(): void {
    const next = this.#text[this.#at + 1];
    if (this.#text.startsWith('<!--', this.#at)) this.#skipTo('-->');
    else if (this.#text.startsWith('<![CDATA[', this.#at)) this.#characterData();
    else if (next === '!') this.#declaration();
    else if (next === '?') this.#skipTo('>');
    else if (next === '/') this.#endTag();
    else this.#startTag();
  }

  #skipTo(end: string): void {
    const found = this.#text.indexOf(end, this.#at);
    this.#at = found === -1 ? this.#text.length : found + end.length;
  }

  #characterData(): void {
    const start = this.#at + 9;
    this.#skipTo(']]>');
    const end = this.#text.startsWith(']]>', this.#at - 3) ? this.#at - 3 : this.#at;
    const element = this.#open.at(-1);
    if (element) addText(element, this.#text.slice(start, end));
  }

  /** A DOCTYPE with its entity declarations is skipped unread. */
  #declaration(): void {
    const close = this.#text.indexOf('>', this.#at);
    const subset = close !== -1 && this.#text.slice(this.#at, close).includes('[');
    this.#skipTo(subset ? ']>' : '>');
  }

  #endTag(): void {
    NAME.lastIndex = this.#at + 2;
    const name = localName(NAME.exec(this.#text)?.[0] ?? '');
    this.#skipTo('>');
    this.#closeFrom(
      this.#open.findLastIndex((element, i) => i > 0 && element.name === name),
      this.#at,
    );
  }

  #startTag(): void {
    NAME.lastIndex = this.#at + 1;
    const name = NAME.exec(this.#text)?.[0];
    const after = this.#text[this.#at + 1 + (name?.length ?? 0)];
    // `<sip:bob@…>` and a lone `<` are text that nobody escaped.
    if (name === undefined || /^(?:sips?|tel):/i.test(name) || (after !== undefined && !/[\s/>]/.test(after))) {
      this.#addText('<');
      this.#at += 1;
      return;
    }
    const element = xmlElement(name, this.#at);
    this.#elements += 1;
    this.#at += 1 + name.length;
    this.#attributes(element);
    if (NEVER_NESTED.has(element.name)) this.#closeLost(element.name, element.start);
    this.#open.at(-1)?.children.push(element);
    const selfClosing = this.#text.startsWith('/>', this.#at);
    // A tag whose `>` got lost ends where the next one starts.
    while (this.#at < this.#text.length && this.#text[this.#at] !== '>' && this.#text[this.#at] !== '<') this.#at += 1;
    if (this.#text[this.#at] === '>') this.#at += 1;
    element.end = this.#at;
    if (!selfClosing && this.#open.length <= XML_LIMITS.depth) this.#open.push(element);
  }

  #attributes(element: XmlElement): void {
    for (let count = 0; count < XML_LIMITS.attributes; count += 1) {
      ATTRIBUTE.lastIndex = this.#at;
      const match = ATTRIBUTE.exec(this.#text);
      if (!match) {
        LONE_NAME.lastIndex = this.#at;
        if (!LONE_NAME.test(this.#text)) break;
        this.#at = LONE_NAME.lastIndex;
        continue;
      }
      const value = match.slice(2).find((group) => group !== undefined) ?? '';
      addAttribute(element, match[1] ?? '', decodeEntities(value));
      this.#at = ATTRIBUTE.lastIndex;
    }
    while (/\s/.test(this.#text[this.#at] ?? '')) this.#at += 1;
  }

  #closeLost(name: string, at: number): void {
    this.#closeFrom(
      this.#open.findLastIndex((element) => element.name === name),
      at,
    );
  }

  /** Closes the open element of that depth and all inside it; the root is never closed. */
  #closeFrom(depth: number, end: number): void {
    if (depth <= 0) return;
    for (const element of this.#open.splice(depth)) element.end = end;
  }

  #addText(text: string): void {
    const element = this.#open.at(-1);
    if (element && text !== '') addText(element, decodeEntities(text));
  }
}

const ENTITIES: Readonly<Record<string, string>> = { lt: '<', gt: '>', amp: '&', quot: '"', apos: "'" };

function decodeEntities(text: string): string {
  if (!text.includes('&')) return text;
  return text.replace(/&(?:(lt|gt|amp|quot|apos)|#(\d{1,7})|#x([0-9a-fA-F]{1,6}));/g, (whole, name, decimal, hex) => {
    if (name !== undefined) return ENTITIES[String(name)] ?? whole;
    const code = decimal === undefined ? Number.parseInt(String(hex), 16) : Number(decimal);
    return code > 0 && code <= 0x10ffff ? String.fromCodePoint(code) : whole;
  });
}
