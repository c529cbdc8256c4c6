// SPDX-License-Identifier: Apache-2.0
import { expect, test } from 'vitest';

import type { Post } from './api/types';
import { copies_of, largest_cascade, place_cascade, top_terms } from './post_shape';
import { make_post } from './testing';

const said = (id: string, text: string, more: Partial<Post> = {}): Post => ({ ...make_post(id), text, author: `u${id}`, ...more });

test('terms are counted by different texts: copies count once', () => {
  const posts = [
    said('1', '健身房关门不给退款'),
    said('2', '退款到底什么时候到账'),
    said('3', '快来买,全场五折'),
    said('4', '快来买,全场五折'),
    said('5', '#退款难# @客服小王 有人管吗 https://t.example/abc'),
    said('6', '#退款难# 第三天了'),
  ];
  const terms = top_terms(posts, 10);
  expect(terms).toContainEqual({ term: '退款', texts: 2 });
  expect(terms).toContainEqual({ term: '#退款难#', texts: 2 });
  expect(terms.map((t) => t.term).join(' ')).not.toMatch(/五折|客服|https|什么/);
  expect(top_terms([], 10)).toEqual([]);
});

test('near copies are one group, short texts and different ones none', () => {
  const posts = [
    said('1', '兼职日结!在家动动手指日赚553元', { author: 'a' }),
    said('2', '兼职日结!!在家动动手指日赚889元 @某人', { author: 'a' }),
    said('3', '兼职日结,在家动动手指日赚120元', { author: 'b' }),
    said('4', '加油'),
    said('5', '加油'),
    said('6', '今天的晚霞真好看,下班路上拍的'),
  ];
  const copies = copies_of(posts, 5);
  expect(copies).toHaveLength(1);
  expect(copies[0]).toMatchObject({ posts: 3, authors: 2 });
  expect(copies[0]?.post.id).toBe('1');
});

test('the largest tree of reposts, its root maybe out of sight', () => {
  const posts = [
    said('b', '', { repost_of: 'a' }),
    said('c', '', { repost_of: 'a' }),
    said('d', '', { repost_of: 'b' }),
    said('x', '', { repost_of: 'y' }),
  ];
  const root = largest_cascade(posts);
  expect(root).toMatchObject({ id: 'a', post: null, below: 3 });
  expect(root?.children.map((c) => [c.id, c.depth, c.below])).toEqual([['b', 1, 1], ['c', 1, 0]]);
  expect(largest_cascade([said('x', '', { repost_of: 'y' })])).toBe(null);
  expect(largest_cascade([])).toBe(null);
});

test('a circle of reposts ends', () => {
  const posts = [said('a', '', { repost_of: 'b' }), said('b', '', { repost_of: 'a' }), said('c', '', { repost_of: 'c' })];
  expect(() => largest_cascade(posts)).not.toThrow();
});

test('leaves have lines of their own, parents stand between them, and no more are placed than asked', () => {
  const posts = ['b', 'c', 'd', 'e'].map((id) => said(id, '', { repost_of: 'a' }));
  const root = largest_cascade(posts);
  if (!root) throw new Error('a tree');
  const { placed, lines, depth } = place_cascade(root, 60);
  expect([placed.length, lines, depth]).toEqual([5, 4, 1]);
  expect(placed[0]).toMatchObject({ x: 0, y: 1.5 });
  expect(new Set(placed.slice(1).map((p) => p.y)).size).toBe(4);
  expect(place_cascade(root, 3).placed.length).toBe(3);
});
