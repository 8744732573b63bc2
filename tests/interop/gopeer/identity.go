package main

import (
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/enbility/ship-go/cert"
)

// loadOrCreateIdentity reads peer.crt and peer.key in the directory and makes them at the first start. The SKI
// extension is the SHA-1 of the public key bit string, as SHIP demands.
func loadOrCreateIdentity(directory, commonName string) (tls.Certificate, string, error) {
	if directory == "" {
		return tls.Certificate{}, "", errors.New("-dir is missing")
	}
	certificateFile := filepath.Join(directory, "peer.crt")
	keyFile := filepath.Join(directory, "peer.key")
	if _, err := os.Stat(keyFile); errors.Is(err, fs.ErrNotExist) {
		if err := createIdentity(certificateFile, keyFile, commonName); err != nil {
			return tls.Certificate{}, "", err
		}
	}
	certificate, err := tls.LoadX509KeyPair(certificateFile, keyFile)
	if err != nil {
		return tls.Certificate{}, "", err
	}
	leaf, err := x509.ParseCertificate(certificate.Certificate[0])
	if err != nil {
		return tls.Certificate{}, "", err
	}
	ski, err := cert.SkiFromCertificate(leaf)
	return certificate, ski, err
}

func createIdentity(certificateFile, keyFile, commonName string) error {
	certificate, err := cert.CreateCertificate("test", "eebus-hems", "DE", commonName)
	if err != nil {
		return err
	}
	key, ok := certificate.PrivateKey.(*ecdsa.PrivateKey)
	if !ok {
		return fmt.Errorf("unexpected key type %T", certificate.PrivateKey)
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return err
	}
	if err := writePem(certificateFile, "CERTIFICATE", certificate.Certificate[0]); err != nil {
		return err
	}
	return writePem(keyFile, "EC PRIVATE KEY", der)
}

func writePem(file, kind string, der []byte) error {
	return os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600)
}
