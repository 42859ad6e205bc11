// Korean particles follow the sound that a word ends with: 작업을, 노드를.

// Each pair as texts write it: after a consonant, after a vowel.
const pairs: Readonly<Record<string, readonly [string, string]>> = {
  "을(를)": ["을", "를"], "이(가)": ["이", "가"], "은(는)": ["은", "는"], "과(와)": ["과", "와"], "(으)로": ["으로", "로"], "(이)라": ["이라", "라"], "이(여)야": ["이어야", "여야"],
};

/** What may follow a place in braces: one of the pairs. */
export const particlePattern = "을\\(를\\)|이\\(가\\)|은\\(는\\)|과\\(와\\)|\\(으\\)로|\\(이\\)라|이\\(여\\)야";

// The consonant that a word ends with when it is read; "" = a vowel; undefined = nobody knows, as of Latin letters.
function ending(word: string): string | undefined {
  const last = /[\p{L}\p{N}](?=[^\p{L}\p{N}]*$)/u.exec(word)?.[0] ?? "";
  const digit = "영일이삼사오육칠팔구"["0123456789".indexOf(last)];
  const code = (last >= "0" && last <= "9" && digit ? digit : last).charCodeAt(0) - 0xac00;
  if (!(code >= 0 && code < 11_172)) return undefined;
  return code % 28 === 0 ? "" : code % 28 === 8 ? "ㄹ" : "ㄱ";
}

/** The particle after a word: the one of the pair, or the pair itself, which is how Korean writes it where the sound is open. */
export function particle(word: string, pair: string): string {
  const end = ending(word);
  const of = pairs[pair];
  if (!of || end === undefined) return pair;
  return end === "" || (end === "ㄹ" && pair === "(으)로") ? of[1] : of[0];
}
