// Decodes Kubernetes manifests strictly into the types of KubeRay's own module: an unknown field, a wrong type and
// an unknown kind are errors. Reads one file of documents, and prints each of them as one line of JSON.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	rayv1 "github.com/ray-project/kuberay/ray-operator/apis/ray/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	documents "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"
)

func main() {
	if len(os.Args) != 2 {
		fail(errors.New("expected the path of one file"))
	}
	file, err := os.Open(os.Args[1])
	if err != nil {
		fail(err)
	}
	reader := documents.NewYAMLReader(bufio.NewReader(file))
	for number := 1; ; number++ {
		text, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			fail(err)
		}
		decoded, err := decode(text)
		if err != nil {
			fail(fmt.Errorf("document %d: %w", number, err))
		}
		if err := json.NewEncoder(os.Stdout).Encode(decoded); err != nil {
			fail(err)
		}
	}
}

func decode(text []byte) (any, error) {
	var header metav1.TypeMeta
	if err := yaml.Unmarshal(text, &header); err != nil {
		return nil, err
	}
	var into any
	switch header.APIVersion + " " + header.Kind {
	case rayv1.GroupVersion.String() + " RayCluster":
		into = &rayv1.RayCluster{}
	case rayv1.GroupVersion.String() + " RayJob":
		into = &rayv1.RayJob{}
	case "v1 Secret":
		into = &corev1.Secret{}
	case "v1 ConfigMap":
		into = &corev1.ConfigMap{}
	default:
		return nil, fmt.Errorf("no such kind here: %s %s", header.APIVersion, header.Kind)
	}
	return into, yaml.UnmarshalStrict(text, into)
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
