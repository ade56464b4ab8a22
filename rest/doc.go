// Package rest is the HTTP face of a node: a server that offers what a Store does, a client for it, and the one table that says which error is
// which HTTP status, which code in a JSON body, and which exit code of the command line. The paths are described in openapi.yaml, which every
// node serves at /v1/openapi.yaml.
//
// # Bytes
//
// Keys and values are arbitrary bytes. There are two ways for them to travel, and each has one rule:
//
//   - Raw: the body of GET and PUT of one key is the value itself, byte for byte. The key is in the path, percent-encoded once
//     (/v1/tables/t/keys/a%2Fb), or, for the keys that proxies and browsers rewrite in a path ("." and ".."), in the query
//     (/v1/tables/t/keys?key=..). What follows "/keys/" is never cleaned: "a//b" and "a/../b" are keys like any other.
//   - JSON: a byte string called x is the field "x" when it is valid UTF-8, and otherwise the field "x_base64" (RFC 4648, padded). An answer
//     has exactly one of the two, or none when there is no value; a request may use either. Text that would change on its way (invalid UTF-8, a
//     lone surrogate escape) is refused, not repaired.
//
// # Versions
//
// What a read has seen is an opaque token: the context of engine.Entry. It travels as Kvnode-Context and in the ETag. Writing with If-Match is
// engine.IfUnchanged, writing with Kvnode-Context is engine.WithContext. The ETag of a key with siblings also names the view, since another
// handler shows another value of the same versions: "context~view".
package rest
