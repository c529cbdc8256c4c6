// SPDX-License-Identifier: Apache-2.0
import type { Post } from '../api/types';
import { format_count, format_share, safe_link, text_parts } from '../format';
import { emotion_name, region_name, topic_name } from '../i18n/names';
import { use_words } from '../preferences';
import { route_hash } from '../router';
import { When } from './when';

function PostText({ text, query }: { text: string; query: string }) {
  return (
    <>
      {text_parts(text, query).map((part, i) => {
        if (part.kind === 'hit') return <mark key={i}>{part.text}</mark>;
        if (part.kind === 'plain') return part.text;
        return (
          <a key={i} href={route_hash('topic', part.text)}>
            {part.text}
          </a>
        );
      })}
    </>
  );
}

/** The text around what was found, marked where the engine says. */
function Snippet({ text, marks }: { text: string; marks: readonly [number, number][] }) {
  let at = 0;
  const parts = marks.flatMap(([begin, end]) => {
    const plain = text.slice(at, begin);
    at = end;
    return [plain, <mark key={begin}>{text.slice(begin, end)}</mark>];
  });
  return (
    <>
      {parts}
      {text.slice(at)}
    </>
  );
}

interface PostItemProps {
  post: Post;
  /** words to mark in the text */
  query?: string;
  /** counts as evidence of an alert */
  evidence?: boolean;
}

/** One post, as a list item. Its text is only ever text. */
export function PostItem({ post, query = '', evidence }: PostItemProps) {
  const { lang, t } = use_words();
  const link = safe_link(post.url);
  const emotion = post.text === '' ? 'neutral' : post.emotion.label;
  const region = post.region ?? 'unknown';
  return (
    <li class="post" data-post={post.id} data-evidence={evidence ? '' : undefined}>
      <i class={`post-edge emotion-${emotion}`} aria-hidden="true" />
      <p class="post-text" lang="zh-CN">
        {post.text === '' ? (
          <em lang={lang === 'zh' ? 'zh-CN' : 'en'}>{t('posts.bare')}</em>
        ) : (
          <>
            {post.snippet !== undefined && (post.highlights ?? []).length > 0 ? (
              <Snippet text={post.snippet} marks={post.highlights ?? []} />
            ) : (
              <PostText text={post.text} query={query} />
            )}
          </>
        )}
      </p>
      <p class="post-meta">
        <span class="chip" title={format_share(post.emotion.probability)}>
          <i class={`dot emotion-${emotion}`} />
          {emotion_name(lang, emotion)}
        </span>
        <a href={route_hash('topic', `${post.topic.label}@*`)}>{topic_name(lang, post.topic.label)}</a>
        <span>{region_name(lang, region)}</span>
        {post.author && (
          <a class="post-author" href={route_hash('search', '', { author: post.author })}>
            {post.author}
          </a>
        )}
        <When time={post.time} />
        {post.likes !== null && post.likes > 0 && (
          <span>{t(post.likes === 1 ? 'posts.likes.one' : 'posts.likes', { count: format_count(lang, post.likes) })}</span>
        )}
        {post.reposts !== null && post.reposts > 0 && (
          <span>{t(post.reposts === 1 ? 'posts.reposts.one' : 'posts.reposts', { count: format_count(lang, post.reposts) })}</span>
        )}
        {link && (
          <a href={link} target="_blank" rel="noopener noreferrer">
            {t('posts.source_link')}
          </a>
        )}
      </p>
    </li>
  );
}
