package rest_test

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"mime/multipart"
	"net/http"
	"runtime"
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

func TestAModuleThatBreaksANeededLawIsInstalledWithAWarning(t *testing.T) {
	t.Parallel()
	addr := start(t, resttest.New())
	module := "\x00asm\x01"
	sum := sha256.Sum256([]byte(module))
	install := func(laws string) string {
		var body bytes.Buffer
		form := multipart.NewWriter(&body)
		require.NoError(t, form.WriteField("module", module))
		require.NoError(t, form.WriteField("check", fmt.Sprintf(`{"sha256":%q,"laws":[%s]}`, hex.EncodeToString(sum[:]), laws)))
		require.NoError(t, form.Close())
		got := do(t, addr, http.MethodPut, "/v1/plugins/h", body.String(), "Content-Type", form.FormDataContentType())
		require.Equal(t, http.StatusOK, got.status, got.body)
		return got.body
	}
	require.NotContains(t, install(`{"name":"fuel","needed":true,"state":"held"},{"name":"stamps","state":"broken"}`), "warning")
	got := install(`{"name":"fuel","needed":true,"state":"broken","problem":"more\nlines"},{"name":"stamps","state":"broken"},{"needed":true,"state":"broken"}`)
	require.Contains(t, got, `"warning":"the module breaks laws that nodes rely on: fuel (more), (unnamed); mend it`)
	require.Contains(t, got, "kvnode plugin show h@2")

	info := engine.PluginInfo{Name: "h", Number: 3, Checked: &engine.CheckSummary{Needed: 7, NeededHeld: 6}}
	require.Contains(t, rest.NewInstalledJSON(info, nil).Warning, "rely on: 1 of 7;", "the report came with an earlier installation")
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

// packed is a module as gzip packs it.
func packed(t *testing.T, module []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, err := w.Write(module)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return out.Bytes()
}

func TestAPackedModuleIsUnpackedWithinTheBound(t *testing.T) {
	t.Parallel()
	store := resttest.New()
	addr := start(t, store)
	client := newClient(t, addr)
	module := []byte("\x00asm\x01")
	info, err := client.InstallPlugin(t.Context(), "h", packed(t, module), engine.Limits{}, engine.WithCheck(checkOf(module)))
	require.NoError(t, err)
	require.Equal(t, len(module), info.Size)

	bomb := append([]byte("\x00asm"), make([]byte, rest.MaxModuleBytes)...)
	for _, bad := range [][]byte{packed(t, bomb), packed(t, module)[:12], []byte("\x1f\x8b")} {
		_, err = client.InstallPlugin(t.Context(), "h", bad, engine.Limits{})
		require.ErrorIs(t, err, engine.ErrBadModule)
		require.Equal(t, len(bad) > 100, errors.Is(err, engine.ErrModuleTooLarge))
	}
	exact, err := rest.UnpackModule(packed(t, bomb[:rest.MaxModuleBytes]))
	require.NoError(t, err)
	require.Len(t, exact, rest.MaxModuleBytes)
}

func TestThereIsRoomForWhatAModuleUnpacksTo(t *testing.T) {
	t.Parallel()
	store := resttest.New()
	addr := start(t, store, func(c *rest.Config) { c.MaxBodyBytes = rest.MaxModuleBytes })
	client, large := newPlainClient(t, addr), append([]byte("\x00asm"), make([]byte, rest.MaxModuleBytes-4)...)
	_, err := client.InstallPlugin(t.Context(), "h", packed(t, large), engine.Limits{})
	require.ErrorIs(t, err, engine.ErrOverloaded)
	_, err = client.InstallPlugin(t.Context(), "h", packed(t, large[:len(large)/2]), engine.Limits{})
	require.NoError(t, err)
}

func TestUnpackingTakesNoMoreThanTheModule(t *testing.T) {
	gz := packed(t, make([]byte, rest.MaxModuleBytes))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := rest.UnpackModule(gz)
	require.NoError(t, err)
	runtime.ReadMemStats(&after)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(rest.MaxModuleBytes+rest.MaxModuleBytes/4))
}

func TestATableWhoseHandlerIsNotInstalledComesWithAWarning(t *testing.T) {
	t.Parallel()
	store, addr := table(t)
	client := newClient(t, addr)
	info, err := client.CreateTable(t.Context(), "u", engine.TableOptions{Handler: "carst", Unresolved: engine.LWW})
	require.NoError(t, err)
	require.True(t, rest.LacksHandler(info))
	const warning = `"warning":"the handler \"carst\" is not installed: install it with 'kvnode plugin install carst FILE'; until then the policy \"lww\" decides"`
	for path, want := range map[string]bool{"/v1/tables": true, "/v1/tables/u": true, "/v1/tables/t": false} {
		require.Equal(t, want, strings.Contains(do(t, addr, http.MethodGet, path, "").body, warning), path)
	}
	got := do(t, addr, http.MethodPut, "/v1/tables/u", `{"handler":"carst","unresolved":"lww"}`, "Content-Type", "application/json")
	require.Contains(t, got.body, warning)
	tables, err := client.Tables(t.Context())
	require.NoError(t, err)
	require.Equal(t, info, tables[1])
	_, err = store.InstallPlugin(t.Context(), "carst", []byte("\x00asm"), engine.Limits{})
	require.NoError(t, err)
	_, err = client.Activate(t.Context(), "u", "carst")
	require.NoError(t, err)
	info, err = client.Table(t.Context(), "u")
	require.NoError(t, err)
	require.False(t, rest.LacksHandler(info))
}
