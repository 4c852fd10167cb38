#pragma once
#include <libpq-fe.h>

// Swift imports no macro that is a character.
enum {
    pq_field_sql_state = PG_DIAG_SQLSTATE,
    pq_field_message = PG_DIAG_MESSAGE_PRIMARY,
    pq_field_constraint = PG_DIAG_CONSTRAINT_NAME,
    pq_field_source_function = PG_DIAG_SOURCE_FUNCTION,
};
