/** How a receiver checks a signature, by language; the same as in docs/webhooks.md. */
export const snippets: readonly { id: string; label: string; code: string }[] = [
  {
    id: "python", label: "Python", code: `import base64, hashlib, hmac, time

def verify(secret, headers, body):  # body: bytes as they came
    if abs(time.time() - int(headers["webhook-timestamp"])) > 300:
        return False
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    want = "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return any(hmac.compare_digest(want, got) for got in headers["webhook-signature"].split())`,
  },
  {
    id: "node", label: "Node", code: `import { createHmac, timingSafeEqual } from "node:crypto";

export function verify(secret, headers, body) { // body: Buffer as it came
  if (!(Math.abs(Date.now() / 1000 - Number(headers["webhook-timestamp"])) <= 300)) return false;
  const key = Buffer.from(secret.replace(/^whsec_/, ""), "base64");
  const signed = Buffer.concat([Buffer.from(\`\${headers["webhook-id"]}.\${headers["webhook-timestamp"]}.\`), body]);
  const want = Buffer.from("v1," + createHmac("sha256", key).update(signed).digest("base64"));
  return headers["webhook-signature"].split(" ").some((got) => got.length === want.length && timingSafeEqual(Buffer.from(got), want));
}`,
  },
  {
    id: "go", label: "Go", code: `func verify(secret string, h http.Header, body []byte) bool {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	sent, bad := strconv.ParseInt(h.Get("webhook-timestamp"), 10, 64)
	if err != nil || bad != nil || time.Since(time.Unix(sent, 0)).Abs() > 5*time.Minute {
		return false
	}
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%s.%s", h.Get("webhook-id"), h.Get("webhook-timestamp"), body)
	want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	for _, got := range strings.Fields(h.Get("webhook-signature")) {
		if hmac.Equal([]byte(got), []byte(want)) {
			return true
		}
	}
	return false
}`,
  },
  {
    id: "shell", label: "Shell", code: `# the body is in the file "body"
key=$(printf %s "\${SECRET#whsec_}" | base64 -d | od -An -tx1 | tr -d ' \\n')
{ printf '%s.%s.' "$ID" "$TIMESTAMP"; cat body; } | openssl dgst -sha256 -mac HMAC -macopt "hexkey:$key" -binary | base64`,
  },
];
