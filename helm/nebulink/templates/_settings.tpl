{{- /* The settings file, and values that the chart derives from the settings. */}}

{{- /* Folders of the container. No mount uses subPath, since such a file never changes. */}}
{{- define "nebulink.folder.config" -}}/etc/nebulink/config{{- end }}
{{- define "nebulink.folder.keys" -}}/etc/nebulink/keys{{- end }}
{{- define "nebulink.folder.sharedCache" -}}/etc/nebulink/shared-cache{{- end }}
{{- define "nebulink.folder.apiTokens" -}}/etc/nebulink/api-tokens{{- end }}
{{- define "nebulink.folder.snapshot" -}}/var/lib/nebulink{{- end }}

{{- /* The settings that the chart sets from other values: setting both is refused. */}}
{{- define "nebulink.ownSettings" -}}
{{- if include "nebulink.sharedCacheSecret" . }}
shared_cache:
  url_file: {{ include "nebulink.folder.sharedCache" . }}/url
{{- end }}
{{- if .Values.apiTokens.existingSecret.name }}
access:
  api_tokens_file: {{ include "nebulink.folder.apiTokens" . }}/tokens
{{- end }}
{{- if .Values.snapshot.enabled }}
cache:
  snapshot_file: {{ include "nebulink.folder.snapshot" . }}/links.jsonl
{{- end }}
{{- end }}

{{- /* The Secret with the URL of the shared cache, as YAML; nothing if there is none. */}}
{{- define "nebulink.sharedCacheSecret" -}}
{{- if .Values.valkey.enabled }}
{{- dict "name" (printf "%s-valkey" (include "nebulink.fullname" .)) "key" "url" | toYaml }}
{{- else if .Values.sharedCache.existingSecret.name }}
{{- toYaml .Values.sharedCache.existingSecret }}
{{- end }}
{{- end }}

{{- /* Changes with the password of Valkey, if the values have it. Derived slowly: whoever reads pods must not be able to try
passwords out. */}}
{{- define "nebulink.valkeyPasswordChecksum" -}}
{{- with .Values.valkey.password }}
{{- derivePassword 1 "maximum" . $.Release.Name (include "nebulink.fullname" $) | sha256sum }}
{{- end }}
{{- end }}

{{- /* Returns text if URLs are always constructed: Nebuly is then never called, and no key is used. */}}
{{- define "nebulink.neverCalls" -}}
{{- if eq (get (default dict .Values.config.nebuly) "resolve") "construct" }}yes{{ end }}
{{- end }}

{{- /* The projects whose keys are mounted, by the number of their volumes. */}}
{{- define "nebulink.mountedKeys" -}}
{{- $mounted := dict }}
{{- if not (include "nebulink.neverCalls" .) }}
{{- range $index, $project := .Values.projects }}
{{- if not $project.apiKeyFile }}
{{- $_ := set $mounted (toString $index) $project }}
{{- end }}
{{- end }}
{{- end }}
{{- toYaml $mounted }}
{{- end }}

{{- /* The settings file. Its texts are JSON, which TOML reads in the same way; numbers are whole, whatever Helm made of them. */}}
{{- define "nebulink.toml" -}}
{{- range $project := .Values.projects }}
[[projects]]
name = {{ default "default" $project.name | toJson }}
{{- if not (include "nebulink.neverCalls" $) }}
api_key_file = {{ include "nebulink.keyFile" $project | toJson }}
{{- end }}
{{- with $project.projectId }}
project_id = {{ toJson . }}
{{- end }}
{{- with $project.organizationId }}
organization_id = {{ toJson . }}
{{- end }}
{{ end }}
{{- $config := mergeOverwrite (deepCopy .Values.config) (include "nebulink.ownSettings" . | fromYaml) }}
{{- range $section := keys $config | sortAlpha }}
[{{ $section }}]
{{- $settings := get $config $section }}
{{- range $name := keys $settings | sortAlpha }}
{{- $value := get $settings $name }}
{{- if not (kindIs "invalid" $value) }}
{{ $name }} = {{ if or (kindIs "float64" $value) (kindIs "int64" $value) (kindIs "int" $value) }}{{ int64 $value }}{{ else }}{{ toJson $value }}{{ end }}
{{- end }}
{{- end }}
{{ end }}
{{- end }}

{{- /* The file with a project's key. */}}
{{- define "nebulink.keyFile" -}}
{{- default (printf "%s/%s/api-key" (include "nebulink.folder.keys" .) (default "default" .name)) .apiKeyFile }}
{{- end }}

{{- /* The port of an address such as [::]:8080. */}}
{{- define "nebulink.port" -}}
{{- regexFind "[0-9]+$" . }}
{{- end }}

{{- /* The base path for the ingress, the route and the test, without a slash at its end. */}}
{{- define "nebulink.basePath" -}}
{{- get (default dict .Values.config.server) "base_path" | default "" | trimSuffix "/" }}
{{- end }}

{{- /* The milliseconds of a duration as the settings write it, such as 5s, 500ms or 1m 30s, rounded up. */}}
{{- define "nebulink.milliseconds" -}}
{{- $units := dict "h" 3600000 "hr" 3600000 "hrs" 3600000 "hour" 3600000 "hours" 3600000 "m" 60000 "min" 60000 "mins" 60000 "minute" 60000 "minutes" 60000 "s" 1000 "sec" 1000 "secs" 1000 "second" 1000 "seconds" 1000 "ms" 1 "msec" 1 "millis" 1 }}
{{- $sum := 0.0 }}
{{- range $part := regexFindAll "[0-9][0-9.]*\\s*[a-zA-Zµ]+" . -1 }}
{{- $number := regexFind "^[0-9.]+" $part | float64 }}
{{- $unit := regexFind "[a-zA-Zµ]+$" $part }}
{{- $factor := get $units $unit | default 0 }}
{{- if not $factor }}
{{- fail (printf "a drain of %s is not valid for a pod: write it in hours, minutes, seconds or milliseconds" $) }}
{{- end }}
{{- $sum = addf $sum (mulf $number $factor) }}
{{- end }}
{{- ceil $sum | int64 }}
{{- end }}

{{- /* Returns the nanoseconds of any duration that the schema accepts. */}}
{{- define "nebulink.nanoseconds" -}}
{{- $units := dict "nanos nsec ns" 1.0 "usec us µs" 1e3 "millis msec ms" 1e6 "seconds second secs sec s" 1e9 "minutes minute mins min m" 6e10 "hours hour hrs hr h" 3.6e12 "days day d" 8.64e13 "weeks week wks wk w" 6.048e14 "months month M" 2.630016e15 "years year yrs yr y" 3.15576e16 }}
{{- $sum := 0.0 }}
{{- range $part := regexFindAll "[0-9][0-9.]*\\s*[a-zA-Zµ]+" . -1 }}
{{- $number := regexFind "^[0-9.]+" $part | float64 }}
{{- $unit := regexFind "[a-zA-Zµ]+$" $part }}
{{- range $names, $factor := $units }}
{{- if has $unit (splitList " " $names) }}
{{- $sum = addf $sum (mulf $number $factor) }}
{{- end }}
{{- end }}
{{- end }}
{{- printf "%.0f" $sum }}
{{- end }}

{{- /* Returns the whole seconds from SIGTERM to the end of the drain. */}}
{{- define "nebulink.drainSeconds" -}}
{{- $delay := include "nebulink.milliseconds" .Values.config.server.drain_delay | int64 }}
{{- $timeout := include "nebulink.milliseconds" .Values.config.server.drain_timeout | int64 }}
{{- div (add $delay $timeout 999) 1000 }}
{{- end }}

{{- /* The grace period. The program's end takes up to 12 seconds more than the drain: one for requests that were cut, ten for
the snapshot (traces get two beside it) and one for the log. One is spare. */}}
{{- define "nebulink.gracePeriod" -}}
{{- $drain := include "nebulink.drainSeconds" . | int64 }}
{{- if kindIs "invalid" .Values.terminationGracePeriodSeconds }}
{{- add $drain 13 }}
{{- else }}
{{- if le (int64 .Values.terminationGracePeriodSeconds) $drain }}
{{- fail (printf "terminationGracePeriodSeconds must be more than the %d seconds of config.server.drain_delay and drain_timeout: otherwise pods are killed while they still answer requests" $drain) }}
{{- end }}
{{- int64 .Values.terminationGracePeriodSeconds }}
{{- end }}
{{- end }}
