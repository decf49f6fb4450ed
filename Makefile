# deltaetl: bring a table to the content of another, touching only what differs
#
#   make demo           see it work, on a throw-away server
#   make check          run all tests, on a throw-away server
#   make setup          install what these two need; they also do it themselves
#
#   make                build
#   make install        install into the server that PG_CONFIG belongs to
#   make installcheck   run pg_regress and isolation tests on a running server
#
#   make installcheck-citus
#                       run those of distributed tables, where there is Citus
#
#   make check-tap      the TAP tests alone; PROVE_TESTS=t/... picks some
#   make soak           sync among writers for a while; SECONDS=, MODES=, KINDS=
#   make check-assert   all tests on a server with assertions, which is built once
#   make check-sanitize, check-valgrind
#                       the same under gcc's sanitizers, some tests under valgrind
#   make coverage       what the tests reach of src/, in coverage/
#   make check-versions build and test for other versions, in chroots; VERSIONS="17 18"
#   make fuzz           sync random tables; SECONDS=, SEED=, CASES=
#   make sqlsmith       call the functions with anything; SECONDS=, SEED=
#   make bench          measure it against its peers; SCALE=large, ROUNDS=, CASES=
#   make bench-scale    measure it by rows, width, changes, workers, partitions; ROUNDS=, SIZES=
#   make bench-report   write what the READMEs say of it from the results
#   make indent         lay out src/ as PostgreSQL does; indent-check only looks
#   make dist           pack a release of what is committed

EXTENSION = deltaetl
MODULE_big = deltaetl
OBJS = \
	src/deltaetl.o \
	src/apply.o \
	src/arguments.o \
	src/assign.o \
	src/batch.o \
	src/bucket.o \
	src/calls.o \
	src/census.o \
	src/check_table.o \
	src/citus.o \
	src/changelog.o \
	src/changes.o \
	src/coerce.o \
	src/compare.o \
	src/collect.o \
	src/collection.o \
	src/delta.o \
	src/diff.o \
	src/difference.o \
	src/digest.o \
	src/digest_agg.o \
	src/direct.o \
	src/distributed.o \
	src/encode.o \
	src/encode_text.o \
	src/encode_scalar.o \
	src/execute.o \
	src/explain.o \
	src/explain_apply.o \
	src/explain_detection.o \
	src/explain_distributed.o \
	src/explain_triggers.o \
	src/explain_words.o \
	src/foreign.o \
	src/hash.o \
	src/hashes.o \
	src/image.o \
	src/image_json.o \
	src/image_scalar.o \
	src/image_value.o \
	src/job.o \
	src/job_cron.o \
	src/job_entry.o \
	src/job_options.o \
	src/job_run.o \
	src/join.o \
	src/layout.o \
	src/leaves.o \
	src/lone_rows.o \
	src/placement.o \
	src/positions.o \
	src/progress.o \
	src/progress_slot.o \
	src/runs.o \
	src/setdiff.o \
	src/stored_row.o \
	src/strategy.o \
	src/fingerprint.o \
	src/key.o \
	src/key_proof.o \
	src/scope.o \
	src/settings.o \
	src/lock.o \
	src/logged_run.o \
	src/snapshot.o \
	src/relation.o \
	src/reversal.o \
	src/revert.o \
	src/mapping.o \
	src/mapping_hash.o \
	src/modify.o \
	src/names.o \
	src/privileges.o \
	src/query.o \
	src/query_citus.o \
	src/query_detect.o \
	src/query_delta.o \
	src/query_foreign.o \
	src/query_overtaken.o \
	src/query_remote.o \
	src/remote.o \
	src/query_track.o \
	src/guard.o \
	src/options.o \
	src/owner.o \
	src/overtaken.o \
	src/params.o \
	src/runlog.o \
	src/spi.o \
	src/ship.o \
	src/stored.o \
	src/sync.o \
	src/track.o \
	src/verify.o
DATA = deltaetl--1.0.sql
DOCS := $(wildcard doc/*.md doc/*.json)
SHLIB_LINK += -lcrypto

REGRESS = extension everything encode bucket sync guards key key_indexes key_equality key_types columns coercion coercion_place relations \
	scope apply reread security \
	hostile_names search_path impostors hostile_owner rights_each row_security \
	odd_arguments odd_relations odd_places extremes \
	partition_writes parallel random stored_bytes stored_values random_layout load \
	direct direct_rows row_locking contexts processes digest tracked tracked_sync track_trees track_errors verify \
	explain explain_detection explain_apply \
	foreign_target foreign_runs foreign_partitions \
	run_log run_stats run_log_rights log_disguise change_log change_log_kinds change_log_ways json_images change_log_rights \
	revert revert_conflicts revert_types revert_keys revert_rights \
	progress \
	remote remote_keys remote_fallback remote_random \
	citus citus_places \
	jobs job_options job_roles job_set_role \
	oldextversions
REGRESS_OPTS = --encoding=UTF8 --no-locale
ISOLATION = two_syncs crossing_syncs writers locked_rows row_locks overtaken moved_rows serializable timeout \
	truncate alter_table drop rewrite create_index partitions source_partitions definitions ddl \
	track reverts if_running retries
ISOLATION_OPTS = --encoding=UTF8 --no-locale \
	--load-extension=pgcrypto --load-extension=deltaetl
EXTRA_CLEAN = .built-for tmp_check citus/results citus/regression.out citus/regression.diffs

PG_CONFIG ?= pg_config
tooling = setup demo check check-tap check-versions soak fuzz sqlsmith \
	check-assert check-sanitize check-valgrind coverage \
	bench bench-report bench-scale indent indent-check dist

# The tooling has to work before PostgreSQL is installed, and PGXS brings a
# "check" that does nothing, so PGXS is left out where only tooling is wanted.
building := $(filter-out $(tooling),$(or $(MAKECMDGOALS),all))
ifneq ($(building),)
PGXS := $(wildcard $(shell $(PG_CONFIG) --pgxs 2>/dev/null))
ifneq ($(PGXS),)
include $(PGXS)

$(OBJS) $(OBJS:.o=.bc): $(wildcard src/*.h) .built-for

# Objects that were built for another server would load, and fail.
.built-for: FORCE
	@echo '$(VERSION) $(includedir_server)' | cmp -s - $@ || \
		echo '$(VERSION) $(includedir_server)' > $@

installcheck-citus:
	@citus/run '$(dir $(PGXS))../test/regress/pg_regress' --bindir='$(bindir)'

.PHONY: FORCE installcheck-citus
else
.PHONY: $(building)
$(building):
	@echo "make $@ needs PostgreSQL's server headers and PGXS, which $(PG_CONFIG) does not have." >&2
	@echo "Debian and Ubuntu: install postgresql-server-dev-NN, or run: make setup" >&2
	@echo "Otherwise name another server: make $@ PG_CONFIG=/path/to/pg_config" >&2
	@exit 1
endif
endif

.PHONY: $(tooling)

setup:
	tools/setup

demo:
	@tools/demo

# else it would be PGXS's
ifneq ($(filter check,$(MAKECMDGOALS)),)
check:
	@tools/check regress encoded join isolation tap
endif

check-tap:
	@tools/check tap

soak:
	@tools/soak '$(or $(SECONDS),60)' '$(MODES)' '$(KINDS)'

check-assert check-sanitize check-valgrind:
	@tools/checker $(@:check-%=%)

coverage:
	@tools/checker coverage

check-versions:
	@tools/check-versions $(VERSIONS)

fuzz:
	@tools/fuzz '$(SECONDS)' '$(SEED)' '$(CASES)'

sqlsmith:
	@tools/sqlsmith '$(SECONDS)' '$(SEED)'

bench:
	@tools/bench '$(or $(SCALE),small)' '$(ROUNDS)' '$(CASES)'

bench-scale:
	@tools/bench-scale '$(or $(ROUNDS),3)' $(SIZES)

bench-report:
	@tools/bench --report '$(or $(SCALE),large)'

indent:
	@tools/indent

indent-check:
	@tools/indent --check

dist:
	@version=$$(sed -n "s/^default_version *= *'\(.*\)'/\1/p" $(EXTENSION).control) && \
		git archive --format=zip --prefix=$(EXTENSION)-$$version/ \
			--output=$(EXTENSION)-$$version.zip HEAD && \
		echo $(EXTENSION)-$$version.zip
