#!/usr/bin/env node
import { runCommandLine } from './commands/command-line.js';

// A command may leave sockets or children behind that would keep the process alive; its exit code is the end of it.
process.exit(await runCommandLine(process.argv.slice(2), process.env));
