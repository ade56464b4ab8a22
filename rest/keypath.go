package rest

import (
	"net/url"
	"strings"
)

const (
	tablesPath = "/v1/tables/"
	keysPath   = "/keys/"
)

// KeyPath returns the request path, with its query, of one key. It can carry every key: "." and "..", which browsers and proxies take for steps
// up even when they are percent-encoded, and the empty key go into the query.
func KeyPath(table, key string) string {
	prefix := tablesPath + url.PathEscape(table)
	switch key {
	case "", ".", "..":
		return prefix + "/keys?key=" + url.QueryEscape(key)
	default:
		return prefix + keysPath + url.PathEscape(key)
	}
}

// cutKeyPath takes an escaped request path apart. All that follows "/keys/" is the key, decoded once and otherwise as it is: http.ServeMux
// would redirect "a//b" and "a/../b" to other keys.
func cutKeyPath(escaped string) (table, key string, ok bool) {
	rest, ok := strings.CutPrefix(escaped, tablesPath)
	if !ok {
		return "", "", false
	}
	table, key, ok = strings.Cut(rest, "/")
	if !ok {
		return "", "", false
	}
	key, ok = strings.CutPrefix("/"+key, keysPath)
	if !ok {
		return "", "", false
	}
	table, tableErr := url.PathUnescape(table)
	key, keyErr := url.PathUnescape(key)
	return table, key, tableErr == nil && keyErr == nil
}
