import { Cape, LocalEnclave } from "libcape";

const enclave = await LocalEnclave.start("tests/functions/echo");
const cape = new Cape({ enclave });
await cape.connect("local/echo");
console.log((await cape.invoke(Buffer.from("hello"))).toString());
console.log(`from ${cape.report?.module_id}, PCR0 ${cape.report?.pcrs?.[0]}`);
cape.close();
enclave.close();
