#!/bin/sh
# Ask Laurel for a training with Kafka's own console producer.
#
#   export KAFKA_BOOTSTRAP_SERVERS=127.0.0.1:9092
#   sh console_producer.sh plain order-7      # plain JSON
#   sh console_producer.sh event order-7      # the same with CloudEvents headers
#
# The same id again is the same request, so repeat it when you are not sure that it arrived.
# Before Kafka 4.2 the option `--reader-property` is called `--property`.
set -eu

usage() {
  echo "usage: $0 plain|event ID" >&2
  exit 2
}

[ $# -eq 2 ] || usage
form="$1" id="$2"
payload='"model_version": 3, "reason": "new sales"'

# --sync: without it the tool ends with 0 although Kafka refused the record.
publish() {
  "${KAFKA_CONSOLE_PRODUCER:-kafka-console-producer.sh}" --sync \
    --bootstrap-server "${KAFKA_BOOTSTRAP_SERVERS:-127.0.0.1:9092}" \
    --topic "${TRAINING_TOPIC:-training.requested}" "$@"
}

case "$form" in
plain) # `request_id` says which request it is
  printf '{%s, "request_id": "%s"}\n' "$payload" "$id" | publish ;;
event) # headers, a tab, the JSON; source and id together say which request it is
  printf '%s\t{%s}\n' \
    "ce_specversion:1.0,ce_id:$id,ce_source:/examples/console,ce_type:laurel.training.requested.v1" \
    "$payload" | publish --reader-property parse.headers=true ;;
*) usage ;;
esac
