import { CST, Lexer, parse } from 'yaml';

const MAX_DEPTH = 50;
/** The maximum number of anchors and tags, because the parser searches through them again and again. */
const MAX_PROPERTIES = 50;
/** Matches indentation, and marks of nested blocks on one line. */
const DEEP_BLOCK = /^[ \t?:-]{100}/m;

/**
 * Parses a YAML text that anybody may have written. Throws for a text that is not YAML, or is far more complex than a
 * real file.
 */
export function parseYaml(text: string): unknown {
  if (isIntricate(text)) throw new RangeError('The YAML is too intricate.');
  // No aliases, because a small text could expand a million times. Keys are not compared in pairs, and nothing is
  // logged.
  return parse(text, { maxAliasCount: 0, uniqueKeys: false, logLevel: 'silent' });
}

/**
 * The parser recurses for every level, and a stack overflow may end this process. Its lexer, which is used here, does
 * not recurse.
 */
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
