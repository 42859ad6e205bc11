import { language } from "../catalogue";

// Names of holidays in Korean: those of Korea and the United States, and what many countries keep. In English the server's calendars name them.
const holidays: Readonly<Record<string, string>> = {
  "New Year's Day": "새해 첫날", "New Year's Eve": "12월 31일", "New Year's holiday": "새해 연휴", "Opening of the market year": "증시 개장일", "Closing of the market year": "연말 휴장일", "Last trading day of the year": "연말 마지막 거래일",
  Seollal: "설날", "Lunar New Year": "설날", "Chinese New Year": "춘절", "Spring Festival": "춘절", Chuseok: "추석", "Mid-Autumn Festival": "중추절", "Dragon Boat Festival": "단오절", "Tomb-sweeping Day": "청명절", "Tomb-Sweeping Day": "청명절",
  "Independence Movement Day": "삼일절", "Labor Day": "근로자의 날", "Labour Day": "노동절", "Children's Day": "어린이날", "Buddha's Birthday": "부처님오신날", "Memorial Day": "현충일", "Constitution Day": "제헌절", "Liberation Day": "광복절", "National Foundation Day": "개천절", "Hangul Day": "한글날",
  "Temporary public holiday": "임시 공휴일", "Presidential election": "대통령 선거일", "National Assembly election": "국회의원 선거일", "Local elections": "지방 선거일", "College entrance test": "대학수학능력시험",
  "Martin Luther King Jr. Day": "마틴 루서 킹의 날", "Washington's Birthday": "워싱턴 탄생일", "Presidents' Day": "대통령의 날", "Good Friday": "성금요일", "Maundy Thursday": "성목요일", "Easter Monday": "부활절 월요일", Juneteenth: "노예 해방 기념일", "Independence Day": "독립 기념일", "Thanksgiving Day": "추수감사절",
  "Day before Independence Day": "독립 기념일 전날", "Day after Thanksgiving": "추수감사절 다음 날", "Thanksgiving Day and the day after": "추수감사절과 다음 날", "National day of mourning for Jimmy Carter": "지미 카터 국가 애도일", "National day of mourning for George H. W. Bush": "조지 H. W. 부시 국가 애도일",
  "Christmas Day": "크리스마스", "Christmas Eve": "크리스마스이브", "Second Christmas Day": "크리스마스 다음 날", "Boxing Day": "박싱 데이", "St. Stephen's Day": "성 스테파노의 날", "Ascension Day": "주님 승천 대축일", "Whit Monday": "성령 강림절 월요일", "All Saints' Day": "모든 성인의 날", Epiphany: "주님 공현 대축일",
  "National Day": "국경일", "Republic Day": "공화국의 날", "King's Birthday": "국왕 탄생일", "Bank holiday": "은행 휴무일",
};

// Those that mean another day elsewhere than in Korea.
const elsewhere: Readonly<Record<string, string>> = { "Labor Day": "노동절", "Memorial Day": "메모리얼 데이", "Constitution Day": "헌법의 날", "Liberation Day": "해방 기념일" };

/** A holiday in the page's language; mic is its calendar. A name that has none stays as it is. */
export function holidayName(name: string, mic: string, of = language): string {
  if (of !== "ko") return name;
  const one = (x: string) => (/^(?:KR|XKRX|XKOS)$/.test(mic) ? undefined : elsewhere[x]) ?? holidays[x] ?? x;
  const [, substitute = "", what = "", expected = ""] = /^(Substitute for )?(.*?)( \(expected\))?$/.exec(name) ?? [];
  const said = holidays[what] ? one(what) : what.split(" and ").map(one).join(" · ");
  return /\p{Script=Hangul}/u.test(said) ? `${said}${substitute && " 대체 공휴일"}${expected && " (예상)"}` : name;
}
