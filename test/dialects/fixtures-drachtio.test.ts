import { FRONTS } from '../helpers/sip-fronts.js';
import { playFixtures } from './fixture-suite.js';

playFixtures(FRONTS.find(({ name }) => name === 'drachtio'));
