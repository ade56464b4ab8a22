package kvnode_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kvnode/kvnode"
	"github.com/kvnode/kvnode/plugins/plugintest"
	"github.com/kvnode/kvnode/rest"
)

// TestModuleSeesADeleteBesideAValueAndLetsEitherWin follows the flag from a client's delete through a module to what clients see.
func TestModuleSeesADeleteBesideAValueAndLetsEitherWin(t *testing.T) {
	n := open(t, local("a"))
	ctx := patient(t)
	_, err := n.CreateTable(ctx, "t", kvnode.TableOptions{Deletes: kvnode.VisibleDeletes})
	require.NoError(t, err)
	_, err = n.InstallPlugin(ctx, "t", plugintest.Module(t, "deletes"), kvnode.Limits{})
	require.NoError(t, err)
	for key, want := range map[string]string{"d: the delete wins": "", "the value wins": "changed"} {
		for _, deleteFirst := range []bool{true, false} {
			_, err := n.Put(ctx, "t", []kvnode.KV{{Key: key, Value: []byte("v")}})
			require.NoError(t, err)
			read, err := n.Get(ctx, "t", key)
			require.NoError(t, err)
			steps := []func() error{
				func() error {
					_, err := n.Delete(ctx, "t", []string{key}, kvnode.WithContext(read.Context))
					return err
				},
				func() error {
					_, err := n.Put(ctx, "t", []kvnode.KV{{Key: key, Value: []byte("changed")}}, kvnode.WithContext(read.Context))
					return err
				},
			}
			if !deleteFirst {
				steps[0], steps[1] = steps[1], steps[0]
			}
			for _, step := range steps {
				require.NoError(t, step())
			}
			e, err := n.Get(ctx, "t", key)
			require.Equal(t, want == "", e.Deleted, "%s: %v", key, err)
			require.Equal(t, want, string(e.Value))
			require.Equal(t, kvnode.Resolved, e.State, e.Reason)
			require.Len(t, e.Siblings, 2)
			require.Equal(t, deleteFirst, e.Siblings[0].Deleted)
			require.Equal(t, !deleteFirst, e.Siblings[1].Deleted)
		}
	}
	client, err := rest.NewClient(n.HTTPAddr())
	require.NoError(t, err)
	defer client.Close()
	e, err := client.Get(ctx, "t", "the value wins")
	require.NoError(t, err)
	require.False(t, e.Siblings[0].Deleted)
	require.True(t, e.Siblings[1].Deleted)
	require.Nil(t, e.Siblings[1].Value)
}
