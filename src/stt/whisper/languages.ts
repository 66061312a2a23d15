/** The languages of Whisper's tokenizer: its code and its English name, which the HTTP API and whisper.cpp's server answer with. */
const PAIRS = `
en=english zh=chinese de=german es=spanish ru=russian ko=korean fr=french ja=japanese pt=portuguese tr=turkish
pl=polish ca=catalan nl=dutch ar=arabic sv=swedish it=italian id=indonesian hi=hindi fi=finnish vi=vietnamese
he=hebrew uk=ukrainian el=greek ms=malay cs=czech ro=romanian da=danish hu=hungarian ta=tamil no=norwegian th=thai
ur=urdu hr=croatian bg=bulgarian lt=lithuanian la=latin mi=maori ml=malayalam cy=welsh sk=slovak te=telugu
fa=persian lv=latvian bn=bengali sr=serbian az=azerbaijani sl=slovenian kn=kannada et=estonian mk=macedonian
br=breton eu=basque is=icelandic hy=armenian ne=nepali mn=mongolian bs=bosnian kk=kazakh sq=albanian sw=swahili
gl=galician mr=marathi pa=punjabi si=sinhala km=khmer sn=shona yo=yoruba so=somali af=afrikaans oc=occitan
ka=georgian be=belarusian tg=tajik sd=sindhi gu=gujarati am=amharic yi=yiddish lo=lao uz=uzbek fo=faroese
ht=haitian_creole ps=pashto tk=turkmen nn=nynorsk mt=maltese sa=sanskrit lb=luxembourgish my=myanmar bo=tibetan
tl=tagalog mg=malagasy as=assamese tt=tatar haw=hawaiian ln=lingala ha=hausa ba=bashkir jw=javanese su=sundanese
yue=cantonese
`;

/** Other names of the same languages that openai-whisper understands. */
const ALIASES = `
burmese=my valencian=ca flemish=nl haitian=ht letzeburgesch=lb pushto=ps panjabi=pa moldavian=ro moldovan=ro
sinhalese=si castilian=es mandarin=zh
`;

const codeOf = new Map<string, string>();
for (const pair of PAIRS.trim().split(/\s+/)) {
  const [code = '', name = ''] = pair.split('=');
  codeOf.set(code, code);
  codeOf.set(name.replace('_', ' '), code);
}
for (const pair of ALIASES.trim().split(/\s+/)) {
  const [name = '', code = ''] = pair.split('=');
  codeOf.set(name, code);
}

/** The code of a language that is told by its code (`en`), with a region (`en-US`) or by its English name. Undefined = not known. */
export function languageCode(told: string): string | undefined {
  const name = told.trim().toLowerCase();
  return codeOf.get(name) ?? codeOf.get(name.split(/[-_]/)[0] ?? '');
}
