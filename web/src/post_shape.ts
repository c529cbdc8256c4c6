// SPDX-License-Identifier: Apache-2.0
// What a handful of posts has in common: words, copies, reposts. Pure, for some hundred posts.

import type { Post } from './api/types';

export interface Term {
  term: string;
  /** different texts that it is in */
  texts: number;
}

const kStop = new Set(
  ('我们 你们 他们 自己 这个 那个 什么 怎么 一个 没有 不是 就是 还是 现在 今天 真的 可以 不能 因为 所以 但是 如果 已经 知道 觉得 一下 一些 时候 这样 那样 ' +
    '转发 微博 转发微博 回复 全文 网页 链接 视频 哈哈 哈哈哈 这么 那么 还有 不要 不会 起来 出来 大家 有人 东西 事情 的话 一样 有点 the and for you this that with')
    .split(' '),
);

/** Addresses and @names carry no topic. */
const without_noise = (text: string) => text.replace(/https?:\/\/\S+/g, ' ').replace(/@[^\s:：，,。@]{1,30}/gu, ' ');

/** The words that most different texts share. Copies of one text count once. */
export function top_terms(posts: readonly Post[], count: number): Term[] {
  const segmenter = new Intl.Segmenter('zh', { granularity: 'word' });
  const seen = new Map<string, number>();
  for (const text of new Set(posts.map((p) => without_noise(p.text)))) {
    const here = new Set<string>();
    for (const tag of text.matchAll(/#[^#\s]{2,30}#/gu)) here.add(tag[0]);
    for (const { segment, isWordLike } of segmenter.segment(text.replace(/#[^#\s]{1,40}#|\[[^\]]{1,8}\]/gu, ' '))) {
      const word = segment.toLowerCase();
      const long_enough = /\p{Script=Han}/u.test(word) ? word.length >= 2 : /^[a-z][a-z0-9]{2,}$/.test(word);
      if (isWordLike && long_enough && !kStop.has(word)) here.add(word);
    }
    for (const word of here) seen.set(word, (seen.get(word) ?? 0) + 1);
  }
  return [...seen]
    .filter(([, texts]) => texts >= 2)
    .sort((a, b) => b[1] - a[1] || b[0].length - a[0].length || a[0].localeCompare(b[0]))
    .slice(0, count)
    .map(([term, texts]) => ({ term, texts }));
}

export interface Copies {
  /** the newest of them */
  post: Post;
  posts: number;
  authors: number;
}

/** What a text is compared by: letters and ideographs. Copies differ in numbers and marks. */
const folded = (text: string) => without_noise(text).toLowerCase().replace(/[^\p{L}]/gu, '');

function pairs_of(text: string): Set<string> {
  const pairs = new Set<string>();
  for (let i = 0; i + 1 < text.length; ++i) pairs.add(text.slice(i, i + 2));
  return pairs;
}

function alike(a: ReadonlySet<string>, b: ReadonlySet<string>): number {
  let both = 0;
  for (const pair of a) if (b.has(pair)) both += 1;
  return both / Math.max(1, a.size + b.size - both);
}

const kAlikeMin = 0.6;
const kLettersMin = 6;

/** Groups of texts that are the same or nearly so, the largest first. Short texts are left out: two
 * people who write 加油 copy nobody. */
export function copies_of(posts: readonly Post[], count: number): Copies[] {
  const groups: { pairs: Set<string>; posts: Post[] }[] = [];
  for (const post of posts) {
    const text = folded(post.text);
    if (text.length < kLettersMin) continue;
    const pairs = pairs_of(text);
    const group = groups.find((g) => alike(g.pairs, pairs) >= kAlikeMin);
    if (group) group.posts.push(post);
    else groups.push({ pairs, posts: [post] });
  }
  return groups
    .filter((g) => g.posts.length >= 2)
    .sort((a, b) => b.posts.length - a.posts.length)
    .slice(0, count)
    .map((g) => ({
      post: g.posts[0] as Post,
      posts: g.posts.length,
      authors: new Set(g.posts.map((p) => p.author ?? p.id)).size,
    }));
}

export interface CascadeNode {
  id: string;
  post: Post | null;
  depth: number;
  /** reposts below it, itself not counted */
  below: number;
  children: CascadeNode[];
}

/** The largest tree of reposts among the posts; its root may not be one of them. Null when nothing
 * was reposted twice. */
export function largest_cascade(posts: readonly Post[]): CascadeNode | null {
  const by_id = new Map(posts.map((p) => [p.id, p]));
  const children = new Map<string, Post[]>();
  for (const post of posts) {
    if (post.repost_of === null || post.repost_of === post.id) continue;
    children.set(post.repost_of, [...(children.get(post.repost_of) ?? []), post]);
  }
  const build = (id: string, depth: number, path: ReadonlySet<string>): CascadeNode => {
    const further = new Set([...path, id]);
    // A circle of reposts is no tree: it is cut where it closes.
    const below = (children.get(id) ?? []).filter((p) => !path.has(p.id)).map((p) => build(p.id, depth + 1, further));
    return { id, post: by_id.get(id) ?? null, depth, children: below, below: below.reduce((n, c) => n + 1 + c.below, 0) };
  };
  const is_root = (id: string) => {
    const above = by_id.get(id)?.repost_of ?? null;
    return above === null || !children.has(above);
  };
  const roots = [...children.keys()].filter(is_root);
  const trees = roots.map((id) => build(id, 0, new Set()));
  const largest = trees.reduce<CascadeNode | null>((best, tree) => (tree.below > (best?.below ?? 1) ? tree : best), null);
  return largest;
}

export interface PlacedNode {
  node: CascadeNode;
  x: number;
  y: number;
  parent: PlacedNode | null;
}

/** Places a tree from left (the root) to right, each leaf on a line of its own; at most `most`. */
export function place_cascade(root: CascadeNode, most: number): { placed: PlacedNode[]; lines: number; depth: number } {
  const placed: PlacedNode[] = [];
  let line = 0;
  let depth = 0;
  const put = (node: CascadeNode, parent: PlacedNode | null): PlacedNode => {
    const here: PlacedNode = { node, x: node.depth, y: 0, parent };
    placed.push(here);
    depth = Math.max(depth, node.depth);
    const ordered = [...node.children].sort((a, b) => b.below - a.below);
    const kept = ordered.slice(0, Math.max(0, most - placed.length));
    const below = kept.filter(() => placed.length < most).map((c) => put(c, here));
    if (below.length === 0) here.y = line++;
    else here.y = ((below[0]?.y ?? 0) + (below[below.length - 1]?.y ?? 0)) / 2;
    return here;
  };
  put(root, null);
  return { placed, lines: line, depth };
}
