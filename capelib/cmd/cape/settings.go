package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
)

// setting is a value that may come from a flag, the environment, the presets or a default, in
// this order of precedence.
type setting struct {
	name     string   // in the presets
	env      []string // the first that is set counts
	fallback string
	about    string
}

// The settings. Paths of files are those of this machine.
var settings = []setting{
	{"enclave_host", []string{"CAPE_ENCLAVE_HOST"}, "", "address of the enclave and its service; --url"},
	{"auth_host", []string{"CAPE_AUTH_HOST"}, "", "address of the issuer that cape login asks; --url"},
	{"audience", []string{"CAPE_AUDIENCE"}, "https://app.capeprivacy.com/v1/", "audience of the tokens that cape login asks for"},
	{"client_id", []string{"CAPE_CLIENT_ID"}, "oXITxpCdjvRYSDJtaMeycvveqE9qadUS", "client id that cape login shows the issuer"},
	{"attestation_root", []string{"CAPE_ATTESTATION_ROOT"}, "", "file of PEM roots to trust in place of the AWS Nitro root"},
	{"tls_ca", []string{"CAPE_TLS_CA"}, "", "file of PEM authorities to trust for TLS in place of the system's"},
	{"policy", []string{"CAPE_POLICY"}, "", "JSON file of the policy, where no flag says which enclave to accept"},
	{"local_config_dir", []string{"CAPE_LOCAL_CONFIG_DIR", "LOCAL_CONFIG_DIR"}, "", "folder of the files below; ~/.config/cape"},
	{"local_auth_file_name", []string{"CAPE_LOCAL_AUTH_FILE_NAME", "CAPE_LOCAL_AUTH_FILENAME"}, "auth", "file of the login there"},
	{"local_cape_key_file_name", []string{"CAPE_LOCAL_CAPE_KEY_FILE_NAME", "CAPE_LOCAL_CAPE_KEY_FILENAME"}, "capekey.pub.der", "file of the Cape key there"},
	{"dev_disable_ssl", []string{"CAPE_DEV_DISABLE_SSL"}, "", "not supported: set tls_ca"},
}

// environment is what the flags of every command, the environment and the presets say.
type environment struct {
	presetsFile string // --config
	url         string
	insecure    bool
	verbose     bool
	output      string

	presets map[string]string
	ending  interruption
	bar     *bar // that was drawn last
}

func (e *environment) register(root *cobra.Command) {
	f := root.PersistentFlags()
	f.StringVarP(&e.presetsFile, "config", "c", "", "`FILE` of presets, in place of presets.json in ~/.config/cape")
	f.StringVarP(&e.url, "url", "u", "", "`ADDRESS` of the enclave: wss://host, or ws:// to this machine")
	f.BoolVar(&e.insecure, "insecure", false, "")
	_ = f.MarkHidden("insecure")
	f.BoolVarP(&e.verbose, "verbose", "v", false, "tell on standard error what the library does")
	f.StringVarP(&e.output, "output", "o", "plain", "`FORM` of the output: plain or json")
}

// load reads the presets, and checks what all commands look at. begins says that presets which are
// not there yet are about to be written.
func (e *environment) load(begins bool) error {
	if e.output != "plain" && e.output != "json" {
		return usagef("--output %s: give plain or json", e.output)
	}
	path, named := e.presetsPath()
	if path == "" {
		return nil
	}
	content, err := os.ReadFile(path)
	if err != nil && (named && !begins || !errors.Is(err, fs.ErrNotExist)) {
		return usagef("the presets cannot be read: %v", err)
	}
	if e.presets, err = parsePresets(content); err != nil {
		return usagef("the presets in %s cannot be used: %v", path, err)
	}
	e.warnOfUnknown(path)
	return nil
}

// warnOfUnknown says which presets are of no meaning. Those of the original command's are known, and
// names that begin with local_ are its own too.
func (e *environment) warnOfUnknown(path string) {
	var known []string
	for _, s := range settings {
		known = append(known, s.name)
	}
	for _, name := range slices.Sorted(maps.Keys(e.presets)) {
		if !slices.Contains(known, name) && !strings.HasPrefix(name, "local_") {
			fmt.Fprintf(os.Stderr, "cape: the presets in %s have %q, which is no setting: %s'cape config --help' lists them\n", path, name, meant(asCommands(known), "", name))
		}
	}
}

// refuseUnchecked refuses what other clients take for a reason to leave TLS unchecked.
func (e *environment) refuseUnchecked() error {
	disabled := e.get("dev_disable_ssl")
	if on, err := strconv.ParseBool(disabled); e.insecure || on || disabled != "" && err != nil {
		return usagef("TLS is never left unchecked (--insecure, CAPE_DEV_DISABLE_SSL): name the authority to trust with --tls-ca")
	}
	return nil
}

// presetsPath is where the presets are, and whether somebody said so.
func (e *environment) presetsPath() (path string, named bool) {
	if e.presetsFile != "" {
		return e.presetsFile, true
	}
	for _, name := range []string{"CAPE_LOCAL_PRESETS_FILE", "LOCAL_PRESETS_FILE"} {
		if path := os.Getenv(name); path != "" {
			return path, true
		}
	}
	if e.folder() == "" {
		return "", false
	}
	return filepath.Join(e.folder(), "presets.json"), false
}

func parsePresets(content []byte) (map[string]string, error) {
	if len(content) == 0 {
		return nil, nil
	}
	var values map[string]any
	if err := json.Unmarshal(content, &values); err != nil {
		return nil, errors.New("they are not a JSON object")
	}
	presets := make(map[string]string, len(values))
	for name, value := range values {
		switch value := value.(type) {
		case string:
			presets[name] = value
		case bool:
			presets[name] = strconv.FormatBool(value)
		default:
			return nil, errors.New(name + " is neither a text nor true or false")
		}
	}
	return presets, nil
}

// get gives the value of a setting, without the flags.
func (e *environment) get(name string) string {
	i := slices.IndexFunc(settings, func(s setting) bool { return s.name == name })
	for _, variable := range settings[i].env {
		if value := os.Getenv(variable); value != "" {
			return value
		}
	}
	if value := e.presets[name]; value != "" {
		return value
	}
	return settings[i].fallback
}

// enclaveURL is the address of the enclave and its service.
func (e *environment) enclaveURL() (string, error) {
	if err := e.refuseUnchecked(); err != nil {
		return "", err
	}
	for _, url := range []string{e.url, e.get("enclave_host")} {
		if url != "" {
			return strings.TrimSuffix(url, "/"), nil
		}
	}
	return "", usagef("the enclave's address is missing: give --url, set CAPE_ENCLAVE_HOST, or run 'cape config enclave_host ADDRESS'")
}

// folder is where the login, the Cape key and the presets are kept; "" where there is none.
func (e *environment) folder() string {
	if folder := e.get("local_config_dir"); folder != "" {
		return folder
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return ""
	}
	return filepath.Join(home, ".config", "cape")
}

// keep writes a file of the folder, for this user only, so that it is there as a whole or not.
func (e *environment) keep(name string, content []byte) error {
	path, err := e.place(name)
	if err != nil {
		return err
	}
	return replaceFile(path, content)
}

// place is where a file of the folder is to be, and makes the folder.
func (e *environment) place(name string) (string, error) {
	folder := e.folder()
	if folder == "" {
		return "", usagef("there is no home folder to keep files in: set CAPE_LOCAL_CONFIG_DIR")
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return "", usagef("the folder of the settings, %s, cannot be made: %v: set CAPE_LOCAL_CONFIG_DIR to another", folder, because(err))
	}
	return filepath.Join(folder, name), nil
}

func replaceFile(path string, content []byte) error {
	file, err := besides(path)
	if err != nil {
		return err
	}
	_, err = file.Write(content)
	err = errors.Join(err, file.Sync(), file.Close())
	if err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		_ = os.Remove(file.Name())
		return usagef("%s cannot be written: %v", path, because(err))
	}
	return nil
}

// besides makes a file in the folder of another, which it is to replace.
func besides(path string) (*os.File, error) {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return nil, usagef("%s cannot be written: it is a directory", path)
	}
	file, err := os.CreateTemp(filepath.Dir(path), ".cape-*") // has mode 0600
	if err != nil {
		return nil, usagef("%s cannot be written: %v", path, because(err))
	}
	return file, nil
}

// checkWritable finds out before the work is done whether its result can be written.
func checkWritable(path string) error {
	file, err := besides(path)
	if err != nil {
		return err
	}
	_ = file.Close()
	return os.Remove(file.Name())
}
