// SPDX-License-Identifier: Apache-2.0
// Names for people of what the engine names by label: topics by the model's English labels,
// regions by their Chinese names.

import { parse_key } from '../router';
import { kMessages, type Language, type MessageId } from './messages';

const kTopicNames: Record<string, { zh: string; en: string }> = {
  agriculture: { zh: '三农', en: 'Agriculture' },
  car: { zh: '汽车', en: 'Cars' },
  culture: { zh: '文化', en: 'Culture' },
  edu: { zh: '教育', en: 'Education' },
  entertainment: { zh: '娱乐', en: 'Entertainment' },
  finance: { zh: '财经', en: 'Finance' },
  game: { zh: '游戏', en: 'Games' },
  house: { zh: '房产', en: 'Housing' },
  military: { zh: '军事', en: 'Military' },
  sports: { zh: '体育', en: 'Sports' },
  story: { zh: '故事', en: 'Stories' },
  tech: { zh: '科技', en: 'Technology' },
  travel: { zh: '旅游', en: 'Travel' },
  world: { zh: '国际', en: 'World' },
  unknown: { zh: '未分类', en: 'Unclassified' },
};

/** The topics that the search form offers. */
export const kTopics = Object.keys(kTopicNames);

const kRegionNames: Record<string, string> = {
  北京: 'Beijing', 天津: 'Tianjin', 河北: 'Hebei', 山西: 'Shanxi', 内蒙古: 'Inner Mongolia',
  辽宁: 'Liaoning', 吉林: 'Jilin', 黑龙江: 'Heilongjiang', 上海: 'Shanghai', 江苏: 'Jiangsu',
  浙江: 'Zhejiang', 安徽: 'Anhui', 福建: 'Fujian', 江西: 'Jiangxi', 山东: 'Shandong',
  河南: 'Henan', 湖北: 'Hubei', 湖南: 'Hunan', 广东: 'Guangdong', 广西: 'Guangxi',
  海南: 'Hainan', 重庆: 'Chongqing', 四川: 'Sichuan', 贵州: 'Guizhou', 云南: 'Yunnan',
  西藏: 'Tibet', 陕西: 'Shaanxi', 甘肃: 'Gansu', 青海: 'Qinghai', 宁夏: 'Ningxia',
  新疆: 'Xinjiang', 香港: 'Hong Kong', 澳门: 'Macau', 台湾: 'Taiwan',
};

/** The regions that forms offer; the engine may know others, which addresses can name. */
export const kRegions = [...Object.keys(kRegionNames), 'unknown'];

export function topic_name(lang: Language, topic: string): string {
  if (topic === '*') return kMessages[lang]['topic.all'];
  return kTopicNames[topic]?.[lang] ?? topic;
}

export function region_name(lang: Language, region: string): string {
  if (region === '*') return kMessages[lang]['trends.region.all'];
  if (region === 'unknown') return lang === 'zh' ? '地区未知' : 'Region unknown';
  if (lang === 'zh') return region;
  // A province, or a province and a city: `山东 济南`.
  const [province = '', ...rest] = region.split(' ');
  return [kRegionNames[province] ?? province, ...rest].join(' ');
}

export function emotion_name(lang: Language, emotion: string): string {
  return label(lang, `emotion.${emotion}`, emotion);
}
export function severity_name(lang: Language, severity: string): string {
  return label(lang, `severity.${severity}`, severity);
}
export function kind_name(lang: Language, kind: string): string {
  return label(lang, `kind.${kind}`, kind);
}
export function state_name(lang: Language, state: string): string {
  return label(lang, `alerts.state.${state}`, state);
}

/** What a line of an alert's history says was done. */
export function action_name(lang: Language, action: string): string {
  return label(lang, `alert.action.${action}`, action);
}

/** A label that this page does not know (a newer engine's) is shown as it is. */
function label(lang: Language, id: string, fallback: string): string {
  const known: Partial<Record<string, string>> = kMessages[lang];
  return known[id satisfies string as MessageId] ?? fallback;
}

/** `finance@广东` becomes 财经 · 广东; `*@*` 全部; `#高考#` stays; `kw:退款` becomes “退款”, and so do copied and emergent texts; `rule:x` 规则 x. */
export function key_name(lang: Language, key: string): string {
  const parts = parse_key(key);
  if (parts.kind === 'hashtag') return `#${parts.term}#`;
  if (parts.kind === 'rule') return lang === 'zh' ? `规则 ${parts.term}` : `Rule ${parts.term}`;
  if (parts.kind !== 'topic') return `“${parts.term}”`;
  if (parts.region === '*') return topic_name(lang, parts.topic);
  if (parts.topic === '*') return region_name(lang, parts.region);
  return `${topic_name(lang, parts.topic)} · ${region_name(lang, parts.region)}`;
}
