// SPDX-License-Identifier: Apache-2.0
// Enough of the query language of docs/rules.md for the mock: AND, OR, NOT, -, brackets, phrases,
// fields. NEAR and regular expressions are taken for AND and a plain text.

const kFields = ['topic', 'region', 'emotion', 'source', 'author'];
const kNegative = new Set(['angry', 'fear', 'sad']);

export class QueryError extends Error {
  constructor(column, reason, remedy) {
    super(`column ${column}: ${reason}; ${remedy}`);
    Object.assign(this, { column, reason, remedy });
  }
}

function tokens_of(query) {
  const tokens = [];
  const shape = /\s+|([()])|(-)(?=\S)|(\w+):|"([^"]*)("?)|([^\s()"]+)/guy;
  const column_at = (index) => [...query.slice(0, index)].length + 1;
  for (const m of query.matchAll(shape)) {
    const column = column_at(m.index);
    if (m[1]) tokens.push({ kind: m[1], column });
    else if (m[2]) tokens.push({ kind: 'NOT', column });
    else if (m[3]) {
      if (!kFields.includes(m[3])) throw new QueryError(column, `'${m[3]}:' is not a field`, `fields are ${kFields.map((f) => `${f}:`).join(', ')}`);
      tokens.push({ kind: 'field', field: m[3], column });
    } else if (m[4] !== undefined) {
      if (m[5] === '') throw new QueryError(column, 'the phrase has no end', 'close it with "');
      tokens.push({ kind: 'text', text: m[4], column });
    } else if (m[6]) {
      const operator = /^(AND|OR|NOT|NEAR(\/\d+)?)$/.test(m[6]);
      tokens.push(operator ? { kind: m[6].startsWith('NEAR') ? 'AND' : m[6], column } : { kind: 'text', text: m[6], column });
    }
  }
  tokens.push({ kind: 'end', column: [...query].length + 1 });
  return tokens;
}

/** Gives { holds(post), words, text }; throws QueryError. An empty query holds for every post. */
export function parse_query(query) {
  const words = [];
  if (query.trim() === '') return { holds: () => true, words, text: '' };
  const tokens = tokens_of(query);
  let at = 0;
  const peek = () => tokens[at];
  const leaf = (negated) => {
    const token = tokens[at++];
    if (token.kind === '(') {
      const inner = either(negated);
      if (peek().kind !== ')') throw new QueryError(peek().column, 'a bracket is not closed', "write ')' here or take the '(' away");
      at += 1;
      return inner;
    }
    if (token.kind === 'field') return field_leaf(token);
    if (token.kind !== 'text') throw new QueryError(token.column, token.kind === 'end' ? 'the query ends where a word should stand' : `'${token.kind}' stands where a word should`, 'write a word here, or take the operator away');
    if (!negated) words.push(token.text);
    return (p) => p.text.toLowerCase().includes(token.text.toLowerCase());
  };
  const field_leaf = ({ field }) => {
    const value = tokens[at++];
    if (value.kind !== 'text') throw new QueryError(value.column, 'the field has no value', `write ${field}:value`);
    const wanted = value.text;
    return (p) => {
      if (field === 'topic') return p.topic.label === wanted;
      if (field === 'emotion') return p.emotion.label === wanted || (wanted === 'negative' && kNegative.has(p.emotion.label));
      if (field === 'region') return (p.region ?? 'unknown').split(' ')[0] === wanted;
      return p[field] === wanted;
    };
  };
  const each = (negated) => {
    if (peek().kind !== 'NOT') return leaf(negated);
    at += 1;
    const inner = each(true);
    return (p) => !inner(p);
  };
  const all = (negated) => {
    const parts = [each(negated)];
    while (!['OR', ')', 'end'].includes(peek().kind)) {
      if (peek().kind === 'AND') at += 1;
      parts.push(each(negated));
    }
    return (p) => parts.every((h) => h(p));
  };
  const either = (negated) => {
    const parts = [all(negated)];
    while (peek().kind === 'OR') {
      at += 1;
      parts.push(all(negated));
    }
    return (p) => parts.some((h) => h(p));
  };
  const holds = either(false);
  if (peek().kind !== 'end') throw new QueryError(peek().column, "there is no '(' for this ')'", 'take it away');
  return { holds, words, text: query.trim().replace(/\s+/g, ' ') };
}

/** The text around the first word found, and where the words stand in it. */
export function snippet_of(text, words) {
  const lower = text.toLowerCase();
  const hits = [];
  for (const word of words) {
    for (let i = lower.indexOf(word.toLowerCase()); i >= 0; i = lower.indexOf(word.toLowerCase(), i + word.length)) hits.push([i, i + word.length]);
  }
  hits.sort((a, b) => a[0] - b[0]);
  return { snippet: text, highlights: hits.filter(([begin], i) => i === 0 || begin >= hits[i - 1][1]) };
}
