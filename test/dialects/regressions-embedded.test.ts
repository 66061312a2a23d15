import { FRONTS } from '../helpers/sip-fronts.js';
import { playRegressions } from './regression-suite.js';

playRegressions(FRONTS.find(({ name }) => name === 'embedded'));
