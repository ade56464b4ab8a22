package rest_test

import (
	"bytes"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kvnode/kvnode/engine"
	"github.com/kvnode/kvnode/rest"
	"github.com/kvnode/kvnode/rest/resttest"
)

// benched returns a client of a server on loopback, whose store has the key k with a value of 1 KiB.
func benched(b *testing.B) *rest.Client {
	b.Helper()
	store := resttest.New()
	_, err := store.CreateTable(b.Context(), "t", engine.TableOptions{})
	require.NoError(b, err)
	_, err = store.Put(b.Context(), "t", []engine.KV{{Key: "k", Value: bytes.Repeat([]byte("x"), 1<<10)}})
	require.NoError(b, err)
	client, err := rest.NewClient(start(b, store))
	require.NoError(b, err)
	b.Cleanup(client.Close)
	return client
}

func BenchmarkClientGet(b *testing.B) {
	client := benched(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := client.Get(b.Context(), "t", "k"); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkClientPut(b *testing.B) {
	client := benched(b)
	kvs := []engine.KV{{Key: "k", Value: bytes.Repeat([]byte("y"), 1<<10)}}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := client.Put(b.Context(), "t", kvs); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkClientMatchThousand(b *testing.B) {
	client := benched(b)
	kvs := make([]engine.KV, 1000)
	for i := range kvs {
		kvs[i] = engine.KV{Key: string(rune('0'+i%10)) + string(rune('a'+i/10%10)) + string(rune('a'+i/100)), Value: []byte("value")}
	}
	_, err := client.Put(b.Context(), "t", kvs)
	require.NoError(b, err)
	b.ReportAllocs()
	for b.Loop() {
		n := 0
		for _, err := range client.Match(b.Context(), "t", engine.Pattern{Key: "???"}) {
			if err != nil {
				b.Fatal(err)
			}
			n++
		}
		require.Equal(b, 1000, n)
	}
}

// BenchmarkServerGet leaves the network out: routing, headers and the value alone.
func BenchmarkServerGet(b *testing.B) {
	store := resttest.New()
	_, err := store.CreateTable(b.Context(), "t", engine.TableOptions{})
	require.NoError(b, err)
	_, err = store.Put(b.Context(), "t", []engine.KV{{Key: "k", Value: bytes.Repeat([]byte("x"), 1<<10)}})
	require.NoError(b, err)
	server, err := rest.NewServer(rest.Config{Store: store})
	require.NoError(b, err)
	b.ReportAllocs()
	for b.Loop() {
		server.ServeHTTP(newRecorder(), newRequest(b, http.MethodGet, "/v1/tables/t/keys/k"))
	}
}
