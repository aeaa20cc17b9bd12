"""Apache Kafka through aiokafka and FastStream: requests in, events out, dead letters aside."""
