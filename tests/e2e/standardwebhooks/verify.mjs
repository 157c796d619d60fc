// Verifies every webhook that bin/demo has kept, with the library that receivers in Node use.
//
// node verify.mjs FOLDER: FOLDER has secrets.json and the requests, 0001.json and so on, as the receiver wrote them.
// Prints one JSON object a request and secret: whether it verifies, and which changed copies of it verify all the same.

import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { Webhook } from "standardwebhooks";

const folder = process.argv[2];
const read = (name) => JSON.parse(readFileSync(join(folder, name), "utf8"));
const endpoints = read("secrets.json");

function verifies(secret, body, headers) {
  try {
    new Webhook(secret).verify(body, headers);
    return true;
  } catch (error) {
    if (error.name !== "WebhookVerificationError" && error.constructor.name !== "WebhookVerificationError") throw error;
    return false;
  }
}

/** Copies of a request of which somebody has changed one thing, by what was changed. */
function* changed({ body, headers }) {
  yield ["a byte more", body + " ", headers];
  yield ["another value", body.replace('"type":"', '"type":"x'), headers];
  yield ["webhook-id", body, { ...headers, "webhook-id": headers["webhook-id"] + "0" }];
  const later = String(Number(headers["webhook-timestamp"]) + 1);
  yield ["webhook-timestamp", body, { ...headers, "webhook-timestamp": later }];
  const [version, signature] = headers["webhook-signature"].split(" ")[0].split(",");
  const other = (signature[0] === "A" ? "B" : "A") + signature.slice(1);
  yield ["webhook-signature", body, { ...headers, "webhook-signature": `${version},${other}` }];
  for (const name of ["webhook-id", "webhook-timestamp", "webhook-signature"]) {
    const { [name]: _, ...rest } = headers;
    yield [`no ${name}`, body, rest];
  }
}

for (const file of readdirSync(folder).filter((name) => /^\d+\.json$/.test(name)).sort()) {
  const request = read(file);
  for (const [path, { secrets }] of Object.entries(endpoints)) {
    for (const secret of secrets) {
      const copies = [...changed(request)];
      console.log(
        JSON.stringify({
          file,
          path: request.path,
          of: path,
          verifies: verifies(secret, request.body, request.headers),
          tried: copies.map(([name]) => name),
          fooled: copies.filter(([, body, headers]) => verifies(secret, body, headers)).map(([name]) => name),
        }),
      );
    }
  }
}
