// Write segments.json: how Twilio's own calculator cuts texts. Run where `npm install sms-segments-calculator` was done.
const { SegmentedMessage } = require("sms-segments-calculator");
const { version } = require("sms-segments-calculator/package.json");
const fs = require("fs");
const path = require("path");

let seed = 20261121;
const random = (n) => ((seed = (seed * 1103515245 + 12345) % 2147483648), Math.floor((seed / 2147483648) * n));
const alphabets = [["a", "b", " ", "1"], ["a", "€", "[", "é", "\n"], ["a", "ж", "漢", "ç"], ["a", "😀", "ж", "🥾"], ["€"], ["😀"]];
const lengths = [1, 69, 70, 71, 80, 81, 133, 134, 135, 152, 153, 154, 160, 161, 200, 305, 306, 307, 400, 460];
const cases = [];
for (const alphabet of alphabets)
  for (const length of lengths)
    for (let turn = 0; turn < 2; turn++) {
      const text = Array.from({ length }, () => alphabet[random(alphabet.length)]).join("");
      const cut = new SegmentedMessage(text, "auto");
      const units = cut.segments.map((one) => one.messageSizeInBits() / (cut.encodingName === "GSM-7" ? 7 : 16));
      cases.push({ text, encoding: cut.encodingName, units });
    }
const made = { oracle: `sms-segments-calculator ${version}`, cases };
fs.writeFileSync(path.join(__dirname, "segments.json"), JSON.stringify(made, null, 0) + "\n");
