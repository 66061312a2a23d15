import { mkdirSync, writeFileSync } from 'node:fs';
import { renderExampleEnv, renderReference } from './documents.js';

/** Writes the documents that come from the schema. Run from the root of the project. */
mkdirSync('docs/reference', { recursive: true });
writeFileSync('config/example.env', renderExampleEnv());
writeFileSync('docs/reference/configuration.md', renderReference());
