import { CST, Lexer, parse } from 'yaml';

const MAX_DEPTH = 50;
/** Anchors and tags, which are looked through again and again. */
const MAX_PROPERTIES = 50;
/** Indentation, and the marks of blocks within blocks on one line. */
const DEEP_BLOCK = /^[ \t?:-]{100}/m;

/**
 * What a text that anybody may have written says; throws for what is no YAML, or is more intricate than anybody means
 * it.
 */
export function parseYaml(text: string): unknown {
  if (isIntricate(text)) throw new RangeError('The YAML is too intricate.');
  // No aliases: a small text could expand a million times. Keys are not compared in pairs, and nothing is logged.
  return parse(text, { maxAliasCount: 0, uniqueKeys: false, logLevel: 'silent' });
}

/** The parser recurses for every level, and a stack overflow may end this process. Its lexer does not recurse. */
function isIntricate(text: string): boolean {
  if (DEEP_BLOCK.test(text)) return true;
  let [flow, inLine, properties] = [0, 0, 0];
  for (const token of new Lexer().lex(text)) {
    switch (CST.tokenType(token)) {
      case 'flow-seq-start':
      case 'flow-map-start':
        flow += 1;
        break;
      case 'flow-seq-end':
      case 'flow-map-end':
        flow = Math.max(0, flow - 1);
        break;
      case 'newline':
        inLine = 0;
        break;
      case 'map-value-ind':
      case 'explicit-key-ind':
      case 'seq-item-ind':
        if (flow === 0) inLine += 1;
        break;
      case 'anchor':
      case 'tag':
        properties += 1;
        break;
    }
    if (flow > MAX_DEPTH || inLine > MAX_DEPTH || properties > MAX_PROPERTIES) return true;
  }
  return false;
}
