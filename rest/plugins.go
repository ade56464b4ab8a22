package rest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"

	"github.com/kvnode/kvnode/engine"
)

// PluginsJSON is the list of installed plugins.
type PluginsJSON struct {
	Plugins []engine.PluginInfo `json:"plugins"`
}

// ActivateJSON names the plugin that judges a table's conflicts: by name, by SHA-256, or by the beginning of one.
type ActivateJSON struct {
	Plugin string `json:"plugin"`
}

func (s *Server) listPlugins(w *tracked, r *http.Request) error {
	plugins, err := s.store.Plugins(r.Context())
	if err != nil {
		return err
	}
	return writeJSON(w, PluginsJSON{Plugins: orEmpty(plugins)})
}

// getPlugin describes in full the modules that a reference names.
func (s *Server) getPlugin(w *tracked, r *http.Request) error {
	plugins, err := s.store.Plugin(r.Context(), r.PathValue("name"))
	if err != nil {
		return err
	}
	return writeJSON(w, PluginsJSON{Plugins: orEmpty(plugins)})
}

// putPlugin installs the body as a module: the bytes alone, or as a form with a check report beside them; packed with gzip or not.
func (s *Server) putPlugin(w *tracked, r *http.Request) error {
	limits, err := limitsOf(r)
	if err != nil {
		return err
	}
	module, check, err := readModule(w, r)
	if err != nil {
		return err
	}
	if module, err = unpackModule(module, w.hold); err != nil {
		return err
	}
	plugin, err := s.store.InstallPlugin(r.Context(), r.PathValue("name"), module, limits, engine.WithCheck(check))
	if err != nil {
		return err
	}
	return writeJSON(w, NewInstalledJSON(plugin, check))
}

// The parts of a form that brings a module, and how much of it is neither.
const (
	partModule   = "module"
	partCheck    = "check"
	maxFormBytes = 4 << 10
)

func readModule(w *tracked, r *http.Request) (module, check []byte, err error) {
	mediaType, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || mediaType != "multipart/form-data" {
		module, err = readBody(w, r, MaxModuleBytes, engine.ErrModuleTooLarge)
		return module, nil, err
	}
	body, err := readBody(w, r, MaxModuleBytes+engine.MaxCheckBytes+maxFormBytes, engine.ErrModuleTooLarge)
	if err != nil {
		return nil, nil, err
	}
	if err := w.hold(len(body)); err != nil { // its parts are copies
		return nil, nil, err
	}
	return splitForm(multipart.NewReader(bytes.NewReader(body), params["boundary"]))
}

func splitForm(form *multipart.Reader) (module, check []byte, err error) {
	for {
		part, err := form.NextPart()
		if errors.Is(err, io.EOF) && module != nil {
			return module, check, nil
		}
		if err != nil {
			return nil, nil, fmt.Errorf("%w: form: %w", ErrBadRequest, err)
		}
		content, err := io.ReadAll(part)
		if err != nil {
			return nil, nil, fmt.Errorf("%w: form: %w", ErrBadRequest, err)
		}
		switch name := part.FormName(); name {
		case partModule:
			module = content
		case partCheck:
			check = content
		default:
			return nil, nil, fmt.Errorf("%w: form: unknown part %.40q; known are %q and %q", ErrBadRequest, name, partModule, partCheck)
		}
	}
}

func limitsOf(r *http.Request) (engine.Limits, error) {
	memory, err := uintParam(r, "memory_bytes")
	if err != nil {
		return engine.Limits{}, err
	}
	fuel, err := uintParam(r, "fuel")
	if err != nil {
		return engine.Limits{}, err
	}
	output, err := uintParam(r, "output_bytes")
	reset := engine.Reset(r.URL.Query().Get("reset"))
	return engine.Limits{MemoryBytes: memory, Fuel: fuel, OutputBytes: output, Reset: reset}, err
}

// putHandler makes a plugin judge the table's conflicts.
func (s *Server) putHandler(w *tracked, r *http.Request) error {
	return s.activate(w, r, s.store.Activate)
}

func (s *Server) activate(w *tracked, r *http.Request, activate func(ctx context.Context, table, plugin string) (engine.Handler, error)) error {
	var body ActivateJSON
	if err := readJSON(w, r, maxSmallBytes, false, &body); err != nil {
		return err
	}
	record, err := activate(r.Context(), r.PathValue("table"), body.Plugin)
	if err != nil {
		return err
	}
	return writeJSON(w, record)
}

// rollBack goes back to the handler before the one in force.
func (s *Server) rollBack(w *tracked, r *http.Request) error {
	record, err := s.store.Rollback(r.Context(), r.PathValue("table"))
	if err != nil {
		return err
	}
	return writeJSON(w, record)
}

// disableHandler lets nobody judge the table's conflicts.
func (s *Server) disableHandler(w *tracked, r *http.Request) error {
	record, err := s.store.Disable(r.Context(), r.PathValue("table"))
	if err != nil {
		return err
	}
	return writeJSON(w, record)
}
