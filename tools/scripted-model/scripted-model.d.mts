/** Writes a ggml whisper model that says `text` whatever it hears. `seconds` is where its one segment ends. */
export function writeScriptedModel(path: string, script: { text: string; seconds?: number }): void;
