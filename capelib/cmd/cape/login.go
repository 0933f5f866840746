package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/oauth2"

	"github.com/libcape/libcape/capelib"
)

// longestLogin bounds the wait for somebody to agree, whatever the issuer says.
const longestLogin = 30 * time.Minute

func newLoginCommand(e *environment) *cobra.Command {
	var tlsCA string
	command := &cobra.Command{
		Use:   "login",
		Short: "Log in at an issuer of tokens, and keep the token",
		Long: `Login asks an issuer for a token by the device flow of OAuth (RFC 8628): it shows an address and
a code, waits until you have agreed there in a browser, and keeps the token for the other
commands. The issuer is --url, or the setting auth_host, and may be any that has the paths
/oauth/device/code and /oauth/token.

If the setting enclave_host names a host, the token is shown to no other. It is renewed when it
has ended, if the issuer allows that.

` + exitStatus,
		Example: `  cape login --url https://issuer.example.com`,
		Args:    exactly(0, "login takes no arguments"),
		RunE: func(command *cobra.Command, _ []string) error {
			ctx, stop := e.untilInterrupted(command.Context())
			defer stop()
			ctx, cancel := context.WithTimeout(ctx, longestLogin)
			defer cancel()
			return e.login(ctx, tlsCA)
		},
	}
	endedFlag(command, "link-aws-account", "", "leave it out")
	command.Flags().Lookup("link-aws-account").NoOptDefVal = " " // it is known with a value and without
	command.Flags().StringVar(&tlsCA, "tls-ca", "", "`FILE` of PEM authorities to trust for TLS in place of the system's")
	return command
}

func (e *environment) login(ctx context.Context, tlsCA string) error {
	address := e.url
	if address == "" {
		address = e.get("auth_host")
	}
	if address == "" {
		return usagef("the issuer's address is missing: give --url, set CAPE_AUTH_HOST, or run 'cape config auth_host ADDRESS'")
	}
	issuer, err := e.newIssuer(address, tlsCA)
	if err != nil {
		return err
	}
	path, err := e.place(e.get("local_auth_file_name"))
	if err == nil {
		err = checkWritable(path) // not when somebody has agreed
	}
	if err != nil {
		return err
	}
	ctx = issuer.with(ctx)
	device, err := issuer.DeviceAuth(ctx, oauth2.SetAuthURLParam("audience", e.get("audience")))
	if err != nil {
		return issuer.failure(ctx, err)
	}
	page := device.VerificationURIComplete
	if page == "" {
		page = device.VerificationURI
	}
	fmt.Fprintf(os.Stderr, "open %s in a browser, and agree to the code %s\n", shown(page), shown(device.UserCode))
	token, err := issuer.DeviceAccessToken(ctx, device)
	if err != nil {
		return issuer.failure(ctx, err)
	}
	saved := newLogin(token, issuer.address)
	saved.Host = e.get("enclave_host")
	if err := e.saveLogin(saved); err != nil {
		return err
	}
	name := claim(saved.IDToken, "nickname")
	return e.print(map[string]string{"user": name, "file": path}, func(w io.Writer) {
		if name != "" {
			_, _ = io.WriteString(w, "logged in as "+shown(name)+"\n")
			return
		}
		_, _ = io.WriteString(w, "logged in\n")
	})
}

func newLogin(token *oauth2.Token, issuer string) *login {
	saved := &login{AccessToken: token.AccessToken, TokenType: token.TokenType, RefreshToken: token.RefreshToken, Expiry: token.Expiry, Issuer: issuer}
	saved.IDToken, _ = token.Extra("id_token").(string)
	return saved
}

// renew asks the issuer for another token in place of one that has ended.
func (e *environment) renew(ctx context.Context, ended *login) (*login, error) {
	const again = "the login has ended"
	if ended.RefreshToken == "" || ended.Issuer == "" {
		return nil, capelib.NewError("auth.rejected", again)
	}
	issuer, err := e.newIssuer(ended.Issuer, "")
	if err != nil {
		return nil, err
	}
	ctx = issuer.with(ctx)
	token, err := issuer.TokenSource(ctx, &oauth2.Token{RefreshToken: ended.RefreshToken}).Token()
	var refused *oauth2.RetrieveError
	if errors.As(err, &refused) && refused.ErrorCode == "invalid_grant" {
		return nil, capelib.NewError("auth.rejected", again)
	}
	if err != nil {
		return nil, issuer.failure(ctx, err)
	}
	renewed := newLogin(token, ended.Issuer)
	renewed.Host = ended.Host
	if renewed.IDToken == "" {
		renewed.IDToken = ended.IDToken
	}
	return renewed, e.saveLogin(renewed)
}
