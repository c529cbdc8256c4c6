// SPDX-License-Identifier: Apache-2.0
#include "simulate/traditional.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string_view>

namespace tidewatch {
namespace {

// Simplified and traditional in turn; every one is three bytes of UTF-8.
constexpr std::string_view kPairs =
    "个個这這们們来來时時会會说說为為国國过過后後对對里裡么麼没沒还還开開发發见見学學"
    "样樣点點无無动動长長问問听聽话話让讓给給从從现現实實车車东東门門间間电電谁誰该該"
    "书書买買卖賣钱錢难難欢歡乐樂爱愛气氣应應关關头頭觉覺亲親机機网網经經红紅绿綠线線"
    "终終级級结結统統继繼续續绝絕约約纪紀纸紙细細组組织織认認识識记記讲講许許论論设設"
    "访訪证證评評词詞试試诗詩请請读讀谢謝谈談调調谅諒语語误誤课課费費质質贵貴贴貼资資"
    "赛賽赢贏赶趕达達远遠进進连連运運边邊迟遲选選医醫号號吗嗎员員园園图圖团團围圍场場"
    "坏壞块塊声聲处處备備复復够夠奖獎妈媽妇婦孙孫宝寶宠寵审審宽寬导導将將尔爾尘塵层層"
    "岁歲岛島师師帮幫带帶广廣庆慶库庫废廢张張弃棄弯彎强強归歸当當录錄忆憶怀懷态態总總"
    "恶惡恼惱惊驚惨慘愿願戏戲战戰户戶护護报報担擔拥擁择擇挂掛换換据據损損摇搖敌敵数數"
    "断斷旧舊显顯晒曬暂暫术術极極构構标標树樹桥橋梦夢检檢楼樓欧歐残殘毕畢汉漢汤湯沟溝"
    "泪淚泽澤洁潔测測济濟浓濃温溫湾灣湿濕满滿灭滅灯燈灵靈灾災烂爛热熱烧燒爷爺独獨猫貓"
    "环環产產画畫疗療疯瘋痒癢盐鹽监監盖蓋盘盤码碼确確礼禮离離种種称稱稳穩穷窮竞競笔筆"
    "签簽简簡类類粮糧紧緊罢罷职職联聯肤膚胜勝脑腦脸臉腊臘节節苹蘋获獲虽雖虑慮补補装裝"
    "规規视視观觀诉訴贝貝败敗账賬货貨购購践踐跃躍轮輪软軟轻輕较較辆輛输輸辞辭适適邮郵"
    "邻鄰郑鄭酱醬释釋针針钟鐘铁鐵银銀锅鍋错錯镇鎮闲閒闭閉闹鬧阅閱队隊阳陽阴陰阵陣际際"
    "陆陸险險随隨隐隱雾霧静靜韩韓页頁顶頂顺順须須顾顧预預领領题題颜顏额額风風飞飛饭飯"
    "饮飲饺餃饼餅馆館马馬驾駕骂罵骗騙鱼魚鲜鮮鸟鳥鸡雞鸭鴨麦麥黄黃齐齊龙龍龟龜万萬与與"
    "专專业業丛叢丢丟两兩严嚴丧喪丰豐临臨举舉义義习習乡鄉争爭亏虧亚亞亿億仅僅优優伙夥"
    "伤傷伦倫伟偉侧側债債偿償储儲儿兒党黨兰蘭兴興养養兽獸写寫军軍农農冲衝决決况況冻凍"
    "净淨准準凉涼减減几幾凤鳳击擊创創删刪别別刘劉则則剑劍办辦务務劳勞势勢华華协協单單"
    "卫衛卧臥压壓厅廳历歷厉厲县縣双雙变變叶葉吴吳呐吶呜嗚响響唤喚啰囉喷噴嘱囑坚堅坛壇"
    "执執扫掃扬揚抢搶抚撫拟擬拦攔挤擠挥揮捡撿摆擺撑撐毁毀氢氫涨漲涩澀润潤渐漸渔漁滚滾"
    "滞滯滨濱积積绪緒绷繃编編缘緣缩縮罚罰耻恥肠腸肿腫胆膽荣榮药藥萝蘿蓝藍虫蟲蚀蝕衬襯"
    "览覽触觸订訂训訓讯訊详詳诺諾谊誼贯貫贺賀赌賭赏賞赔賠轨軌转轉违違逻邏遗遺钓釣钢鋼"
    "钥鑰铺鋪锁鎖键鍵闯闖闷悶闺閨阶階韵韻项項顿頓频頻颗顆饱飽驱驅验驗剧劇励勵";

// The second and third byte choose the replacement; the first says which table: E4 to E9.
struct Table {
  std::array<std::array<char[3], 4096>, 6> to{};

  Table() {
    static_assert(kPairs.size() % 6 == 0);
    for (std::size_t i = 0; i < kPairs.size(); i += 6) {
      if (char* entry = find(kPairs.data() + i)) std::memcpy(entry, kPairs.data() + i + 3, 3);
    }
  }

  char* find(const char* at) {
    const auto first = static_cast<unsigned char>(at[0]);
    if (first < 0xE4 || first > 0xE9) return nullptr;
    const auto low = static_cast<std::size_t>((static_cast<unsigned char>(at[1]) & 0x3F) << 6 |
                                              (static_cast<unsigned char>(at[2]) & 0x3F));
    return to[first - 0xE4U][low];
  }
};

}  // namespace

void make_traditional(std::string& text) {
  static const auto table = std::make_unique<Table>();
  for (std::size_t i = 0; i + 2 < text.size();) {
    const auto lead = static_cast<unsigned char>(text[i]);
    if (lead < 0xE0 || lead >= 0xF0) {
      i += lead >= 0xF0 ? 4 : lead >= 0xC0 ? 2 : 1;
      continue;
    }
    const char* entry = table->find(text.data() + i);
    if (entry != nullptr && entry[0] != 0) std::memcpy(text.data() + i, entry, 3);
    i += 3;
  }
}

}  // namespace tidewatch
