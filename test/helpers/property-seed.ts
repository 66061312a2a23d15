import fc from 'fast-check';

/**
 * Properties are checked with one seed, so that a run can be repeated and a change is not refused for what it did not do.
 * `PROPERTY_SEED=random` looks for more, `PROPERTY_SEED=<number>` repeats what was found.
 */
const { PROPERTY_SEED = '20261129' } = process.env;
if (PROPERTY_SEED !== 'random') fc.configureGlobal({ seed: Number(PROPERTY_SEED) });
