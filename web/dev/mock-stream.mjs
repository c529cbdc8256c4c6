// SPDX-License-Identifier: Apache-2.0
// A made-up stream of posts for the mock server: topics, regions, moods, copy-paste, and waves
// that rise and fall. Everything follows from the seed and the clock that is passed in.

export const kTopics = {
  // label: [posts a minute at noon, share angry, fear, happy, neutral, sad, surprise]
  entertainment: [300, 0.08, 0.02, 0.38, 0.34, 0.08, 0.1],
  sports: [190, 0.12, 0.02, 0.36, 0.32, 0.09, 0.09],
  tech: [150, 0.1, 0.03, 0.2, 0.53, 0.04, 0.1],
  finance: [140, 0.17, 0.08, 0.1, 0.53, 0.08, 0.04],
  travel: [110, 0.08, 0.03, 0.45, 0.34, 0.05, 0.05],
  edu: [96, 0.12, 0.06, 0.21, 0.45, 0.12, 0.04],
  car: [88, 0.14, 0.03, 0.18, 0.56, 0.05, 0.04],
  game: [84, 0.15, 0.01, 0.37, 0.33, 0.08, 0.06],
  world: [70, 0.14, 0.12, 0.05, 0.5, 0.11, 0.08],
  house: [54, 0.19, 0.06, 0.1, 0.5, 0.12, 0.03],
  culture: [50, 0.04, 0.01, 0.36, 0.5, 0.06, 0.03],
  military: [40, 0.1, 0.08, 0.12, 0.56, 0.05, 0.09],
  story: [36, 0.1, 0.06, 0.24, 0.28, 0.24, 0.08],
  agriculture: [26, 0.05, 0.04, 0.3, 0.5, 0.09, 0.02],
};
export const kEmotions = ['angry', 'fear', 'happy', 'neutral', 'sad', 'surprise'];
const kNegative = new Set(['angry', 'fear', 'sad']);
const kRegions = {
  广东: 12, 江苏: 8, 浙江: 8, 山东: 8, 河南: 7, 四川: 7, 北京: 6, 上海: 6, 湖北: 5, 湖南: 5, 河北: 5,
  福建: 4, 安徽: 4, 辽宁: 3, 陕西: 3, 重庆: 3, 江西: 3, 广西: 3, 云南: 3, 天津: 2, 海南: 1, unknown: 4,
};

const kTexts = {
  entertainment: ['{w}的新剧终于定档了{e}', '刚看完{w}的演唱会直播{e}', '这期综艺{w}太好笑了{e}', '#周末看什么# 求推荐,{w}那部值得追吗{e}'],
  sports: ['{w}这场球看得我{m}{e}', '加时赛!{w}最后一分钟绝杀{e}', '裁判这个判罚怎么说{e}', '#今晚看球# {w}首发名单出来了'],
  tech: ['{w}发布会看完了,{m}{e}', '新系统更新后续航{m}{e}', '有没有人用过{w}家的耳机', '#数码好物# {w}的屏幕确实可以{e}'],
  finance: ['{w}今天又公告了,{m}{e}', '基金定投第三年,记录一下{e}', '银行理财到期,利率又低了{e}', '#打工人理财# 求问{w}怎么样'],
  travel: ['到{w}了,风也太舒服了{e}', '{w}的早市一定要去{e}', '#说走就走# {w}三天两晚,人均八百', '高铁上看日落,{m}{e}'],
  edu: ['孩子作业写到十点,{m}{e}', '考研倒计时,{w}自习室又满了{e}', '#今天学习了吗# 单词打卡第{n}天', '学校通知{w}周五开家长会'],
  car: ['提车第{n}天,{m}{e}', '{w}的充电桩排了一小时队{e}', '高速服务区吃到了很好的面{e}', '小区停车位又涨价了,{m}{e}'],
  game: ['{w}更新之后手感{m}{e}', '连跪{n}把,睡了{e}', '#开黑吗# 缺一个辅助,来', '抽卡{n}发终于出了{e}'],
  world: ['{w}那边的消息看得人{m}{e}', '国际航线又调整了{e}', '时差党围观{w}大选'],
  house: ['{w}的房租又涨了{n}百,{m}{e}', '装修第{n}天,水电终于好了{e}', '物业又来催费,电梯还没修{e}'],
  culture: ['{w}博物馆的新展很值得{e}', '晚上读了两章书,{m}{e}', '#古风# {w}的灯会开了'],
  military: ['{w}号入列的视频看得{m}{e}', '退伍{n}年的班长来家里吃饭{e}', '转发科普:{w}是怎么维修的'],
  story: ['外婆今天教我包粽子,{m}{e}', '坐错车遇到一个很好的司机{e}', '十年前的日记翻出来了,{m}{e}'],
  agriculture: ['今年{w}的苹果收成不错{e}', '给菜地浇完水,腰都直不起来{e}', '{w}的麦子黄了'],
};
const kWords = ['小满', '青禾', '云帆', '北川', '南山', '海棠', '启明', '长风', '星野', '白鹭', '知夏', '木槿'];
const kMoods = {
  angry: [['气得睡不着', '真的服了', '忍不了了'], ['[怒]', '!!', '']],
  fear: [['心里发慌', '有点害怕', '越想越担心'], ['[害怕]', '…', '']],
  happy: [['太开心了', '笑出声', '越来越喜欢'], ['[哈哈]', '~', '[心]', '']],
  neutral: [['还行', '记录一下', '看看再说'], ['', '。', '']],
  sad: [['有点难过', '眼眶湿了', '心里空空的'], ['[泪]', '…', '']],
  surprise: [['惊了', '没想到', '什么情况'], ['[吃惊]', '?!', '']],
};

export const kWaves = [
  {
    topic: 'finance', region: '广东', kind: 'negative', severity: 'critical', emotion: 'angry', term: '退款',
    terms: ['退款', '跑路', '预付卡', '门店', '维权'],
    texts: ['{w}健身说关门就关门,预付卡里三千块谁来退款', '打了一天客服电话没人接,还我退款!', '{w}门店门口围了好多人,都是来要退款的[怒]',
      '报警了,卡里余额拿不回来,#退款难# 到底有没有人管', '员工说老板上周就跑路了,退款遥遥无期', '天河这家也关了,刚充的年卡,退款申请一直审核中',
      '有没有维权群,退款要准备哪些材料', '合同里写着概不退款,这合理吗[怒]'],
  },
  {
    topic: 'travel', region: '海南', kind: 'volume', severity: 'warning', emotion: 'fear', term: '航班取消',
    terms: ['航班取消', '台风', '滞留', '机场'],
    texts: ['台风要来,{w}航班取消,今晚睡机场了', '海口这边雨已经很大了,航班取消没有通知[害怕]', '#航班取消# 改签排队两小时,带着孩子真的慌',
      '酒店说可以免费续住一晚,感谢', '滞留旅客越来越多,{w}航站楼地上都坐满了', '航班取消之后退改要多久到账?'],
  },
];

/** Small, fast and the same everywhere (mulberry32). */
export function make_random(seed) {
  let a = seed >>> 0;
  return () => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

export function hash_text(text) {
  let h = 2166136261;
  for (const c of text) h = Math.imul(h ^ c.codePointAt(0), 16777619);
  return h >>> 0;
}

/** How lively the country is at an hour of the day in China, 0.25 .. 1.1. */
export function rhythm(ms) {
  const hour = ((ms / 3_600_000 + 8) % 24 + 24) % 24;
  return 0.68 + 0.34 * Math.sin(((hour - 9.5) / 24) * 2 * Math.PI) + 0.12 * Math.sin(((hour - 18) / 12) * 2 * Math.PI);
}

export class Stream {
  constructor(seed, posts_per_second) {
    this.random = make_random(seed);
    this.scale = posts_per_second / 24;
    this.sequence = 100_000;
    this.topics = Object.entries(kTopics);
    this.topic_total = this.topics.reduce((s, [, t]) => s + t[0], 0);
    this.regions = Object.entries(kRegions);
    this.region_total = this.regions.reduce((s, [, w]) => s + w, 0);
  }

  pick(list) {
    return list[Math.floor(this.random() * list.length)];
  }

  weighted(entries, total, weight) {
    let at = this.random() * total;
    for (const entry of entries) {
      at -= weight(entry);
      if (at < 0) return entry;
    }
    return entries[entries.length - 1];
  }

  poisson(mean) {
    if (mean > 30) return Math.max(0, Math.round(mean + Math.sqrt(mean) * (this.random() + this.random() + this.random() - 1.5) * 2));
    const limit = Math.exp(-mean);
    let n = 0;
    for (let p = this.random(); p > limit; p *= this.random()) ++n;
    return n;
  }

  background(ms) {
    const [topic, mix] = this.weighted(this.topics, this.topic_total, ([, t]) => t[0]);
    const [region] = this.weighted(this.regions, this.region_total, ([, w]) => w);
    const at = this.random();
    let sum = 0;
    const emotion = kEmotions.find((_, i) => (sum += mix[i + 1]) > at) ?? 'neutral';
    const roll = this.random();
    if (roll < 0.12) return this.post(ms, topic, region, 'neutral', roll < 0.06 ? '' : '转发微博', { repost: true });
    if (topic === 'entertainment' && roll < 0.3) {
      return this.post(ms, topic, region, 'happy', '#超话打卡# 为{w}打榜,姐妹们冲!'.replace('{w}', '白鹭'), { bot: true });
    }
    const [moods, marks] = kMoods[emotion];
    const text = this.fill(this.pick(kTexts[topic])).replace('{m}', this.pick(moods)).replace('{e}', this.pick(marks));
    return this.post(ms, topic, region, emotion, this.random() < 0.7 ? `${text}${this.aside()}` : text);
  }

  wave(ms, wave) {
    const emotion = this.random() < 0.76 ? wave.emotion : this.pick(['sad', 'fear', 'neutral', 'surprise']);
    const text = this.fill(this.pick(wave.texts));
    const region = this.random() < 0.8 ? wave.region : this.weighted(this.regions, this.region_total, ([, w]) => w)[0];
    return this.post(ms, wave.topic, region, emotion, text);
  }

  /** What people add, so that two of them seldom write the same. */
  aside() {
    const when = this.pick(['今早', '刚才', '昨晚', '午休的时候', '下班路上', '排队的时候']);
    const how = this.pick(['和同事聊到这个', '朋友发给我的', '想起去年也是这样', '顺手记一笔', '家里人也这么说', '等个后续']);
    return ` ${when}${how},${this.pick(kWords)}${this.pick(['也在', '说再看看', '比我还上心', '没说话', '已经睡了'])}`;
  }

  fill(text) {
    return text.replace('{w}', this.pick(kWords)).replace('{n}', String(2 + Math.floor(this.random() * 97)));
  }

  post(ms, topic, region, emotion, text, { repost = false, bot = false } = {}) {
    const sequence = ++this.sequence;
    const author = bot ? `应援${1 + Math.floor(this.random() * 9)}号` : `${this.pick(kWords)}${this.pick(['的日常', '不熬夜', '_', '同学', 'zz', '在路上'])}${Math.floor(this.random() * 900)}`;
    return {
      sequence, id: `p${sequence}`, text, time: new Date(ms).toISOString(), source: 'mock', author,
      region: region === 'unknown' ? null : region, repost_of: repost ? `p${sequence - 1000}` : null,
      url: `https://example.invalid/p/${sequence}`, likes: Math.floor(this.random() ** 4 * 400), reposts: Math.floor(this.random() ** 5 * 120),
      emotion: { label: emotion, probability: 0.55 + this.random() * 0.44 },
      topic: { label: topic, probability: 0.5 + this.random() * 0.49 }, extra: {},
    };
  }
}

export const is_negative = (emotion) => kNegative.has(emotion);

/** The keys that a post counts under. */
export function keys_of(post) {
  const topic = post.topic.label;
  const region = post.region ?? 'unknown';
  const keys = [`${topic}@${region}`, `${topic}@*`, `*@${region}`, '*@*'];
  for (const match of post.text.matchAll(/#[^#\s]{1,40}#/gu)) keys.push(match[0]);
  if (post.text.includes('退款')) keys.push('kw:退款');
  if (post.text.includes('台风')) keys.push('kw:台风');
  return keys;
}

/** What a minute before the mock was started held: made up, but always the same. */
export function past_minute(key, minute, scale) {
  const [topic, region] = key.includes('@') ? key.split('@') : ['', ''];
  const random = make_random(hash_text(`${key} ${minute}`));
  const weights = region === '*' || region === '' ? 1 : (kRegions[region] ?? 0) / 109;
  const base = topic === '*' ? 1434 : (kTopics[topic]?.[0] ?? 0);
  const mix = kTopics[topic] ?? [0, 0.12, 0.05, 0.26, 0.42, 0.09, 0.06];
  const mean = base * weights * scale * rhythm(minute * 1000);
  const posts = Math.max(0, Math.round(mean + Math.sqrt(mean) * (random() + random() + random() - 1.5) * 2));
  const drift = 1 + 0.35 * Math.sin(minute / 2700 + (hash_text(topic) % 7));
  const emotions = {};
  let rest = posts;
  kEmotions.forEach((emotion, i) => {
    const share = mix[i + 1] * (kNegative.has(emotion) ? drift : 1);
    const count = Math.min(rest, Math.round(posts * share * (0.8 + 0.4 * random())));
    emotions[emotion] = count;
    rest -= count;
  });
  emotions.neutral += rest;
  return { posts, negative: emotions.angry + emotions.fear + emotions.sad, authors: Math.round(posts * 0.88), texts: Math.round(posts * 0.78), emotions };
}
