.PHONY: run up down test check bench paths load schema faults rolling soak format

# The whole suite in the foreground; Ctrl-C stops all of it. HTTP_PORT, DATA_DIR, ADMIN_EMAIL and ADMIN_PASSWORD are honoured.
run:
	@deploy/local/suite run

# The same in the background; returns when every service is ready.
up:
	@deploy/local/suite up

down:
	@deploy/local/suite down

# Everything, against a real Postgres and RabbitMQ.
test:
	@deploy/local/test

# Format, warnings, imports and the fast tests.
check:
	@deploy/check

# Tolva beside its peers, on the same bytes and in turn; several minutes.
bench:
	@Tests/Bench/bench

# The files that one request or one job passes.
paths:
	@Tests/Paths/paths

# What phones and browsers send, with k6; about five minutes.
load:
	@Tests/Load/load

# Every call of the OpenAPI document, with what it says can be sent and what it says cannot; some minutes.
schema:
	@Tests/Schema/schema

# The fault matrix in its full counts; it takes long.
faults:
	@Tests/Faults/faults

# Every process replaced in turn while users send, behind nginx; a few minutes.
rolling:
	@Tests/Faults/rolling

# Everything fails in turn under load, for half an hour.
soak:
	@Tests/Faults/soak

format:
	@swift format --in-place --parallel --recursive Package.swift Services Shared Tests
