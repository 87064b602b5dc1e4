import { randomInt } from 'node:crypto';

const MANNERS = (
  'able bold brave bright calm clever crisp daring deft eager fair fast fine fond glad grand keen kind ' +
  'lively lucid merry mild neat noble patient proud quick quiet rapid ready sharp shrewd smooth steady stoic ' +
  'sunny swift tidy vivid warm wise witty zesty'
).split(' ');
const ANIMALS = (
  'ant ape auk bat bear bee bird boar bug carp cat chimp cod colt crab crane crow cub deer doe dog dove duck ' +
  'eel elk finch fish flea fly fowl fox frog gnat goat grouse gull hare hawk hen hog horse jay kit koi lamb ' +
  'lark loon lynx mare midge mink mole moose moth mouse mule newt owl perch pig pug quail ram rat ray robin ' +
  'roo rook seal shad sheep shrew skink slug snail snake sow squid stag stork swan toad trout vole wasp ' +
  'whale wolf worm wren yak'
).split(' ');

/** A name for unnamed objects, like "brave-lynx-417". */
export function randomName(): string {
  const pick = (words: string[]) => words[randomInt(words.length)];
  return `${pick(MANNERS)}-${pick(ANIMALS)}-${randomInt(1_000)}`;
}
