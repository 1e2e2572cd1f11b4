{{- /* The common parts of the pods of the Deployment and of the test. */}}

{{- /* Environment. Service links would set hundreds of variables, so they are off; NEBULINK_CONFIG rather than an argument, so
that `kubectl exec … nebulink check` sees the same settings. */}}
{{- define "nebulink.env" -}}
- name: NEBULINK_CONFIG
  value: {{ include "nebulink.folder.config" . }}/nebulink.toml
{{- with .Values.proxy.existingSecret }}
{{- if .name }}
- name: NEBULINK__NEBULY__PROXY
  valueFrom:
    secretKeyRef:
      name: {{ .name | quote }}
      key: {{ .key | quote }}
{{- end }}
{{- end }}
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "nebulink.volumeMounts" -}}
- name: config
  mountPath: {{ include "nebulink.folder.config" . }}
  readOnly: true
{{- range $index, $project := include "nebulink.mountedKeys" . | fromYaml }}
- name: key-{{ $index }}
  mountPath: {{ dir (include "nebulink.keyFile" $project) }}
  readOnly: true
{{- end }}
{{- if include "nebulink.sharedCacheSecret" . }}
- name: shared-cache
  mountPath: {{ include "nebulink.folder.sharedCache" . }}
  readOnly: true
{{- end }}
{{- if .Values.apiTokens.existingSecret.name }}
- name: api-tokens
  mountPath: {{ include "nebulink.folder.apiTokens" . }}
  readOnly: true
{{- end }}
{{- with .Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- /* Each key has a volume of its own: a projected volume would stop updating all of its Secrets as soon as one is deleted. */}}
{{- define "nebulink.volumes" -}}
- name: config
  configMap:
    name: {{ include "nebulink.fullname" . | quote }}
{{- range $index, $project := include "nebulink.mountedKeys" . | fromYaml }}
- name: key-{{ $index }}
  secret:
    {{- if $project.apiKey }}
    secretName: {{ include "nebulink.fullname" $ }}-keys
    {{- else }}
    secretName: {{ dig "existingSecret" "name" "" $project | quote }}
    {{- end }}
    defaultMode: 0440
    items:
      - key: {{ ternary (default "default" $project.name) (dig "existingSecret" "key" "api-key" $project) (hasKey $project "apiKey") | quote }}
        path: api-key
{{- end }}
{{- with include "nebulink.sharedCacheSecret" . | fromYaml }}
- name: shared-cache
  secret:
    secretName: {{ .name | quote }}
    defaultMode: 0440
    items:
      - key: {{ .key | quote }}
        path: url
{{- end }}
{{- with .Values.apiTokens.existingSecret }}
{{- if .name }}
- name: api-tokens
  secret:
    secretName: {{ .name | quote }}
    defaultMode: 0440
    items:
      - key: {{ .key | quote }}
        path: tokens
{{- end }}
{{- end }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- /* Constraints of the spread, with the pods' own labels where an entry names none. */}}
{{- define "nebulink.topologySpreadConstraints" -}}
{{- $selector := dict "matchLabels" (include "nebulink.selectorLabels" (dict "root" . "component" "server") | fromYaml) }}
{{- $constraints := list }}
{{- range $constraint := .Values.topologySpreadConstraints }}
{{- if not (hasKey $constraint "labelSelector") }}
{{- $constraint = merge (dict "labelSelector" $selector) $constraint (dict "matchLabelKeys" (list "pod-template-hash")) }}
{{- end }}
{{- $constraints = append $constraints $constraint }}
{{- end }}
{{- toYaml $constraints }}
{{- end }}

{{- /* Scheduling and runtime of a pod, except what concerns several pods. */}}
{{- define "nebulink.scheduling" -}}
{{- range $name := list "nodeSelector" "tolerations" "priorityClassName" "runtimeClassName" "schedulerName" "dnsPolicy" "dnsConfig" "hostAliases" }}
{{- with get $.Values $name }}
{{ dict $name . | toYaml }}
{{- end }}
{{- end }}
{{- end }}
