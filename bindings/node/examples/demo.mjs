// Calls local/pythagorean twice on one connection, as the demo of every language does.
// Usage: node demo.mjs URL ROOT_PEM_FILE PCR0
import { Cape } from "libcape";

const [url, attestationRoot, pcr0] = process.argv.slice(2);
const cape = new Cape({ url, attestationRoot, policy: { pcrs: { 0: pcr0 } } });
await cape.connect("local/pythagorean");
const { module_id: module, pcrs } = cape.report;
const first = await cape.call(3, 4);
const second = await cape.call(5, 12);
cape.close();
console.log(
  `node    attested ${module}  PCR0 ${pcrs[0].slice(0, 8)}...  pythagorean(3, 4) = ${first}  pythagorean(5, 12) = ${second}`,
);
