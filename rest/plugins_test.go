package rest_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"mime/multipart"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kvnode/kvnode/engine"
	"github.com/kvnode/kvnode/rest"
	"github.com/kvnode/kvnode/rest/resttest"
)

// checkOf is a check report of a module.
func checkOf(module []byte) []byte {
	sum := sha256.Sum256(module)
	return fmt.Appendf(nil, `{"sha256":%q,"runs":500,"laws":[{"needed":true,"state":"held"},{"needed":false,"state":"broken"}]}`, hex.EncodeToString(sum[:]))
}

func TestACheckReportTravelsWithTheModuleAndIsShownWithIt(t *testing.T) {
	t.Parallel()
	store := resttest.New()
	client := newClient(t, start(t, store))
	ctx := t.Context()
	module := []byte("\x00asm\x01")
	report := checkOf(module)
	info, err := client.InstallPlugin(ctx, "h", module, engine.Limits{Fuel: 7}, engine.WithCheck(report))
	require.NoError(t, err)
	require.Equal(t, "1 good broken", info.Checked.String())
	require.Empty(t, info.Check, "a list is short")
	_, err = client.InstallPlugin(ctx, "h", []byte("\x00asm\x02"), engine.Limits{})
	require.NoError(t, err)

	all, err := client.Plugin(ctx, "h")
	require.NoError(t, err)
	require.Len(t, all, 2)
	require.JSONEq(t, string(report), string(all[0].Check))
	require.Equal(t, uint64(7), all[0].Limits.Fuel)
	require.Equal(t, []string{"kvnode.log"}, all[0].Imports)
	require.Nil(t, all[1].Checked)
	one, err := client.Plugin(ctx, "h@1")
	require.NoError(t, err)
	require.Equal(t, all[:1], one)
	_, err = client.Plugin(ctx, "h@3")
	require.ErrorIs(t, err, engine.ErrNoPlugin)

	_, err = client.InstallPlugin(ctx, "h", []byte("\x00asm\x03"), engine.Limits{}, engine.WithCheck(report))
	require.ErrorIs(t, err, engine.ErrBadCheck)
}

func TestAFormMustBeAFormWithKnownParts(t *testing.T) {
	t.Parallel()
	addr := start(t, resttest.New())
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	require.NoError(t, form.WriteField("modul", "\x00asm"))
	require.NoError(t, form.Close())
	for _, broken := range []string{body.String(), "no form", strings.TrimSuffix(body.String(), "--\r\n")} {
		got := do(t, addr, http.MethodPut, "/v1/plugins/h", broken, "Content-Type", form.FormDataContentType())
		require.Equal(t, http.StatusBadRequest, got.status, broken)
		require.Equal(t, "bad_request", got.code(t))
	}
}

func TestTheHandlerOfATableIsActivatedRolledBackAndDisabled(t *testing.T) {
	t.Parallel()
	store, addr := table(t)
	client := newClient(t, addr)
	ctx := t.Context()
	_, err := client.Disable(ctx, "t")
	require.ErrorIs(t, err, engine.ErrNoHandler)
	for i := range byte(2) {
		_, err := store.InstallPlugin(ctx, "h", []byte{0, 'a', 's', 'm', i}, engine.Limits{})
		require.NoError(t, err)
	}
	for _, plugin := range []string{"h@1", "h@2"} {
		_, err := client.Activate(ctx, "t", plugin)
		require.NoError(t, err)
	}
	info, err := client.Table(ctx, "t")
	require.NoError(t, err)
	require.Len(t, info.Earlier, 1)
	require.Equal(t, 2, info.Active.Number)

	record, err := client.Rollback(ctx, "t")
	require.NoError(t, err)
	require.Equal(t, 1, record.Number)
	_, err = client.Rollback(ctx, "t")
	require.ErrorIs(t, err, engine.ErrNoEarlier)
	record, err = client.Disable(ctx, "t")
	require.NoError(t, err)
	require.True(t, record.Disabled)
	require.NotEmpty(t, record.Reason)
	for _, change := range []func(*rest.Client) error{
		func(c *rest.Client) error { _, err := c.Rollback(ctx, "nosuch"); return err },
		func(c *rest.Client) error { _, err := c.Disable(ctx, "nosuch"); return err },
	} {
		require.ErrorIs(t, change(client), engine.ErrNoTable)
	}
}
