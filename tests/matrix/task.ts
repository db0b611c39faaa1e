/** What a thread or process runs: it takes text, an empty body, a date and bytes. */
import { defineTask, MessageStatus } from "@lapinmq/lapinmq/task";

export default defineTask((message) => {
  const { headers: { bytes, when }, redelivered } = message;
  if (!(when instanceof Date) || String(bytes) !== "1,2,3") return MessageStatus.FAIL_DO_NOT_RETRY;
  if (message.text() === "again") {
    return redelivered ? MessageStatus.FAIL_DO_NOT_RETRY : MessageStatus.FAIL_RETRY_LATER;
  }
  return MessageStatus.SUCCESS;
});
