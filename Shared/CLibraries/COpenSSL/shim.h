#pragma once
// SHA-256 as a plain struct, which OpenSSL 3 calls deprecated: the new calls cannot tell how far a sum has come, and an
// upload goes on in another process.
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/crypto.h>
#include <openssl/sha.h>
